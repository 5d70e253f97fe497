"""The result of a match: a stream of pairs that searches anew each time, or arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from vecsim.index.image_rows import ImageRows
from vecsim.index.match_blocks import MatchBlock
from vecsim.operations.placeholders import Placeholders
from vecsim.orientations import NAMES
from vecsim.records import ImageRef, Int64
from vecsim.results import Match

_DTYPE = np.dtype([("query_id", object), ("reference_id", object), ("score", np.float64)])
_ORIENTED = np.dtype([*_DTYPE.descr, ("orientation", object)])

_PAIRS_AT_ONCE = 16_384  # of a block, that are converted to Python's objects


class Matches:
    """Pairs of similar images in their final order; each iteration searches again.

    Nothing is kept between two iterations, so a result of any size takes little memory until it
    is converted to one array. `query_fields`, `reference_fields`: names of the carried fields.
    `left_out`: the placeholders that the search skipped. `hidden`: how many pairs the last complete
    iteration left out, by reason: see `vecsim.operations.hiding`. `oriented`: whether queries were
    compared in several orientations, so that each match says in which. `not_turned`: queries of
    which not all these orientations are stored.
    """

    def __init__(
        self,
        blocks: Callable[[], Iterator[MatchBlock]],
        query_fields: list[str],
        reference_fields: list[str],
        left_out: Placeholders,
        hidden: Counter[str] | None = None,
        *,
        oriented: bool = False,
    ) -> None:
        self._blocks = blocks
        self.query_fields = query_fields
        self.reference_fields = reference_fields
        self.left_out = left_out
        self.hidden: Counter[str] = Counter() if hidden is None else hidden
        self.oriented = oriented
        self.not_turned = 0

    def __iter__(self) -> Iterator[Match]:
        """Yield the matches: queries in their order, then falling score, then reference id."""
        for block in self._blocks():
            yield from matches_of(block)

    def blocks(self) -> Iterator[MatchBlock]:
        """Yield the matches as blocks of arrays, in the same order.

        >>> [len(block.pairs) for block in vecsim.match(shop, threshold=0.9).blocks()]
        [1]
        """
        return self._blocks()

    def to_numpy(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """Return all matches as a structured array: query_id, reference_id: str, score: float64.

        If `oriented`, also orientation: str, a name of `vecsim.orientations`.
        """
        parts: list[list[np.ndarray[Any, Any]]] = []
        for block in self._blocks():
            pairs = block.pairs
            columns: list[np.ndarray[Any, Any]] = [
                _ids_of_runs(block.queries, pairs.query),
                block.references.ids(pairs.reference),
                pairs.score,
            ]
            if self.oriented:
                columns.append(np.array(NAMES, object)[pairs.orientations])
            parts.append(columns)
        ends = np.cumsum([0, *(len(columns[0]) for columns in parts)]).tolist()
        found = _unfilled(_ORIENTED if self.oriented else _DTYPE, ends[-1])
        for columns, (start, end) in zip(parts, pairwise(ends), strict=True):
            for name, column in zip(found.dtype.names or (), columns, strict=True):
                found[name][start:end] = column
        return found


def _ids_of_runs(rows: ImageRows, keys: Int64) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Return the ids of `keys` (n,), of which equal ones follow each other: objects (n,)."""
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return np.repeat(rows.ids(keys[starts]), np.diff(starts, append=len(keys)))


def _unfilled(dtype: np.dtype[np.void], count: int) -> np.ndarray[Any, np.dtype[np.void]]:
    """Return an array of records (count,), whose objects are None until they are assigned.

    `np.zeros` and `np.empty` write an object into each field first, which takes as long as
    finding the pairs. An array that an iterator allocates has null pointers there, which NumPy
    reads as None.
    """
    operands: Any = np.nditer(
        [None],
        ["refs_ok", "zerosize_ok"],
        [["writeonly", "allocate"]],
        op_dtypes=[dtype],
        itershape=(count,),
    ).operands
    found: np.ndarray[Any, np.dtype[np.void]] = operands[0]
    return found


def matches_of(block: MatchBlock) -> Iterator[Match]:
    """Yield the matches of one block."""
    for columns in references_of(block):
        for query, reference, score, orientation in zip(*columns, strict=True):
            yield Match(
                query.id,
                query.url,
                reference.id,
                reference.url,
                score,
                query.fields,
                reference.fields,
                orientation,
            )


def references_of(
    block: MatchBlock,
) -> Iterator[tuple[list[ImageRef], list[ImageRef], list[float], list[str | None]]]:
    """Yield the pairs of one block in parts, as columns: queries, references, scores, orientations.

    An orientation is None where only pictures as they are were compared.
    """
    for start in range(0, len(block.pairs), _PAIRS_AT_ONCE):
        pairs = block.pairs.take(np.arange(start, min(start + _PAIRS_AT_ONCE, len(block.pairs))))
        turned = [] if pairs.orientation is None else pairs.orientation.tolist()
        yield (
            block.queries.references(pairs.query),
            block.references.references(pairs.reference),
            pairs.score.tolist(),
            [NAMES[code] for code in turned] or [None] * len(pairs),
        )
