"""Matches as a result: a stream that can be read again, or arrays for those who want them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vecsim.errors import MissingExtraError
from vecsim.index.join import MatchBlock
from vecsim.records import Match

if TYPE_CHECKING:
    import pandas
    import pyarrow

_DTYPE = np.dtype([("query_id", object), ("reference_id", object), ("score", np.float64)])


class Matches:
    """Pairs of alike images in their final order; each iteration searches anew.

    Nothing is kept between two iterations, so a result of any size takes little memory until it
    is asked for as one array.
    """

    def __init__(
        self,
        blocks: Callable[[], Iterator[MatchBlock]],
        query_fields: list[str],
        reference_fields: list[str],
    ) -> None:
        self._blocks = blocks
        self.query_fields = query_fields
        self.reference_fields = reference_fields

    def __iter__(self) -> Iterator[Match]:
        """Yield the matches: queries in their order, then falling score, then reference id."""
        for block in self._blocks():
            yield from matches_of(block)

    def blocks(self) -> Iterator[MatchBlock]:
        """Yield the matches as blocks of arrays, in the same order."""
        return self._blocks()

    def to_numpy(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """All matches as a structured array: query_id, reference_id (str), score (float64)."""
        parts = [np.empty(0, _DTYPE)]
        for block in self._blocks():
            part = np.empty(len(block.pairs), _DTYPE)
            part["query_id"] = _ids(block.pairs.query, block.queries)
            part["reference_id"] = _ids(block.pairs.reference, block.references)
            part["score"] = block.pairs.score
            parts.append(part)
        return np.concatenate(parts)

    def to_pandas(self) -> pandas.DataFrame:
        """All matches as a pandas DataFrame. Raises `MissingExtraError` without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError(
                "to_pandas() needs pandas: pip install vecsim[pandas]"
            ) from error
        table = self.to_numpy()
        return pandas.DataFrame({name: table[name] for name in _DTYPE.names or ()})

    def to_arrow(self) -> pyarrow.Table:
        """All matches as an Arrow table. Raises `MissingExtraError` without pyarrow."""
        try:
            import pyarrow
        except ImportError as error:
            raise MissingExtraError(
                "to_arrow() needs pyarrow: pip install vecsim[parquet]"
            ) from error
        table = self.to_numpy()
        return pyarrow.table({name: table[name] for name in _DTYPE.names or ()})


def matches_of(block: MatchBlock) -> Iterator[Match]:
    """The matches of one block."""
    pairs = block.pairs
    columns = (pairs.query.tolist(), pairs.reference.tolist(), pairs.score.tolist())
    for query_key, reference_key, score in zip(*columns, strict=True):
        query = block.queries[query_key].ref
        reference = block.references[reference_key].ref
        yield Match(
            query.id,
            query.url,
            reference.id,
            reference.url,
            score,
            query.fields,
            reference.fields,
        )


def _ids(keys: Any, rows: Any) -> Any:
    unique, where = np.unique(keys, return_inverse=True)
    ids = np.empty(len(unique), object)
    ids[:] = [rows[key].ref.id for key in unique.tolist()]
    return ids[where]
