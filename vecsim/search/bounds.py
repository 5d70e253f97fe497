"""Ways to bound the cosines of many queries with many references, by products of matrices.

By the codes of a sketch (see `sketch`), or by the vectors themselves, in float32 or in bfloat16.

Nearly all pairs of a tile are below their cutoffs. The largest bound of `GROUP` queries tells
that for all of them: one pass over the tile, then a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import local
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vecsim.records import Bool, Float32, Float64, Int64
from vecsim.search.blocks import Queries
from vecsim.search.candidates import DENSE_SHARE
from vecsim.search.products import PackedBFloat16, PackedCodes, PackedFloat32, to_bfloat16
from vecsim.search.score import product_margin, take_rows
from vecsim.search.sketch import LevelCodes, Sketch, score_cutoffs

GROUP = 16  # queries come in whole groups of so many
TILE_QUERIES = 256

STRIP_REFERENCES = 2048  # at least so many references in a strip, more for few queries
TILE_SIZE = TILE_QUERIES * STRIP_REFERENCES
MAX_STRIP_REFERENCES = 16_384
FEW_QUERIES = 64  # of so few, a group has too different cutoffs: each query is compared by itself

Bounds: TypeAlias = npt.NDArray[Any]  # float32 or int32
Offsets: TypeAlias = npt.NDArray[np.int32]
Candidates: TypeAlias = tuple[Int64, Int64] | None
"""Rows of queries and of references; None where so many are candidates that all pairs of the tile
are multiplied faster."""
Rows = TypeVar("Rows", bound=npt.NDArray[Any])


class Strip(Protocol):
    """Bounds of the pairs of some queries, in groups, with the references of one strip."""

    def candidates(self, top: int, cutoffs: Bounds) -> Candidates:
        """Return the pairs whose bounds reach the `cutoffs` (m,) of queries from row `top` on.

        m is a multiple of `GROUP`. Rows of queries count from `top`, of references from the strip.
        """


class Bounding(Protocol):
    """One way to bound the cosines of all queries of a block with some references."""

    dtype: type[np.generic]
    tile_queries: int

    def strip_width(self, queries: int) -> int:
        """Return how many references a strip has, which is searched for so many queries."""

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least bound of a pair at the threshold of its query: (q,)."""

    def arrange(self, order: Int64) -> None:
        """Put the queries in the order `order`, and fill them up to whole groups."""

    def strip(self, references: slice) -> Strip:
        """Prepare the products of some references with the arranged queries."""


MakeBounds: TypeAlias = Callable[[Float32, Float32], Bounding]
"""Makes the bounds of query vectors (q, d) with reference vectors (n, d)."""


def in_order(rows: Rows, order: Int64) -> Rows:
    """Return `rows` (q, w) in another order, and rows of zeros up to a whole group."""
    filled = np.zeros((-(-len(order) // GROUP) * GROUP, rows.shape[1]), rows.dtype)
    filled[: len(order)] = take_rows(rows, order)
    return cast(Rows, filled)


def strip_width(queries: int) -> int:
    """Return how many references a strip has, on a processor, for so many queries."""
    rows = max(1, min(queries, TILE_QUERIES))
    return min(MAX_STRIP_REFERENCES, max(STRIP_REFERENCES, TILE_SIZE // rows))


class _OnCpu:
    """Sizes of tiles that fit the cache of a processor."""

    tile_queries = TILE_QUERIES

    def strip_width(self, queries: int) -> int:
        """Return how many references a strip has, which is searched for so many queries."""
        return strip_width(queries)


class SketchBounds(_OnCpu):
    """Bounds of cosines by one level of a sketch: sums of codes, int32."""

    dtype: type[np.generic] = np.int32

    def __init__(self, queries: Queries, sketch: Sketch, number: int) -> None:
        self._level = sketch.axes.levels[number]
        self._dim = sketch.axes.dim
        self._references = sketch.levels[number]
        self._queries = queries.codes(sketch.axes, number)
        self._arranged = self._queries.codes
        self._packed: PackedCodes | None = None

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least sum of each query: int32 (q,)."""
        return score_cutoffs(self._level, self._queries.offsets, thresholds)

    def arrange(self, order: Int64) -> None:
        """Put the codes of the queries in the order `order`."""
        self._arranged = in_order(self._queries.codes, order)
        if len(self._arranged) <= FEW_QUERIES:
            self._packed = PackedCodes(self._arranged)

    def strip(self, references: slice) -> Strip:
        """Return the strip of some references, packed unless the queries are."""
        part = self._references.slice_rows(references)
        if self._packed is not None:
            return _CodesStrip(self._packed, part, self._dim)
        return _Strip(self._arranged, PackedCodes(part.codes), part.offsets, self._dim)


class Float32Bounds(_OnCpu):
    """Products of the vectors themselves, float32."""

    dtype: type[np.generic] = np.float32

    def __init__(self, queries: Float32, references: Float32) -> None:
        self._queries = self._arranged = queries
        self._references = references

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least product of each query: float32 (q,)."""
        return rounded_down(thresholds - product_margin(self._queries.shape[1]))

    def arrange(self, order: Int64) -> None:
        """Put the queries in the order `order`."""
        self._arranged = in_order(self._queries, order)

    def strip(self, references: slice) -> Strip:
        """Take some references."""
        packed = PackedFloat32(self._references[references])
        return _Strip(self._arranged, packed, None, self._queries.shape[1])


class BFloat16Bounds(Float32Bounds):
    """Products of the vectors rounded to bfloat16, summed in float32."""

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least product of each query: float32 (q,)."""
        return rounded_down(thresholds - bfloat16_margin(self._queries.shape[1]))

    def strip(self, references: slice) -> Strip:
        """Round and pack some references."""
        packed = PackedBFloat16(self._references[references])
        return _Strip(self._rounded, packed, None, self._queries.shape[1])

    def arrange(self, order: Int64) -> None:
        """Round the queries, and put them in the order `order`."""
        self._rounded = to_bfloat16(in_order(self._queries, order))


class _Packed(Protocol):
    count: int

    def products(self, rows: Any, buffer: Any) -> Bounds:
        """Return the products of `rows` (m, w) with the packed ones (m, n), a view of `buffer`."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """The arranged queries and one strip of references, packed; to sums, `offsets` are added.

    `dim`: of the vectors.
    """

    queries: npt.NDArray[Any]
    references: _Packed
    offsets: Offsets | None
    dim: int

    def candidates(self, top: int, cutoffs: Bounds) -> Candidates:
        """Return where bounds reach `cutoffs` (m,) of queries from row `top` on."""
        rows = self.queries[top : top + len(cutoffs)]
        memory = _memory_of_thread(cutoffs.dtype, self.references.count * len(rows))
        return _candidates(self.references.products(rows, memory), self.offsets, cutoffs, self.dim)


@dataclass(frozen=True, slots=True)
class _CodesStrip:
    """One strip of references, with their codes as stored; the few queries are packed, in one tile.

    `dim`: of the vectors.
    """

    queries: PackedCodes
    references: LevelCodes
    dim: int

    def candidates(self, top: int, cutoffs: Bounds) -> Candidates:
        """Return where bounds reach `cutoffs` (m,) of all queries; `top` is 0."""
        count, width = len(self.references), len(cutoffs)
        memory = _memory_of_thread(cutoffs.dtype, count * width)
        bounds = self.queries.products(self.references.codes, memory)
        bounds += self.references.offsets[:, None]
        places = sparse_flatnonzero((bounds >= cutoffs).reshape(-1))
        if len(places) > _most_candidates(width, count, self.dim):
            return None
        columns, rows = np.divmod(places, width)
        return rows, columns


def _most_candidates(count: int, width: int, dim: int) -> float:
    """Return the number of candidates above which multiplying all (m, n) pairs is faster."""
    # Multiplying all pairs prepares each reference too, which takes as long as gathering one.
    return 2 * DENSE_SHARE * dim * count * width + width


def _candidates(bounds: Bounds, offsets: Offsets | None, cutoffs: Bounds, dim: int) -> Candidates:
    """Return where `bounds` (m, n) + `offsets` (n,) reach `cutoffs` (m,): (rows, columns).

    m is a multiple of `GROUP`. `bounds` may be overwritten. Returns None where so many do that all
    pairs are multiplied faster.
    """
    count, width = bounds.shape
    limit = _most_candidates(count, width, dim)
    if count <= FEW_QUERIES:
        if offsets is not None:
            bounds += offsets
        places = sparse_flatnonzero((bounds >= cutoffs[:, None]).reshape(-1))
        return np.divmod(places, max(1, width)) if len(places) <= limit else None
    groups = bounds.reshape(-1, GROUP, width)
    grouped_cutoffs = cutoffs.reshape(-1, GROUP)
    largest = np.maximum.reduce(groups, axis=1)
    if offsets is not None:
        largest += offsets
    reached = largest >= grouped_cutoffs.min(axis=1)[:, None]
    group, column = np.divmod(sparse_flatnonzero(reached.reshape(-1)), max(1, width))
    if len(group) > limit:
        return None
    places = (group * (GROUP * width) + column)[:, None] + np.arange(GROUP) * width
    some = bounds.reshape(-1).take(places)
    if offsets is not None:
        some += offsets[column][:, None]
    place, row = np.nonzero(some >= grouped_cutoffs[group])
    return (group[place] * GROUP + row, column[place]) if len(place) <= limit else None


_threads = local()


def _memory_of_thread(dtype: np.dtype[Any], size: int) -> Bounds:
    """Return memory for one tile, which this thread keeps for its next ones."""
    known: Bounds | None = getattr(_threads, "memory", None)
    if known is None or len(known) < size:
        known = _threads.memory = np.empty(max(size, TILE_SIZE), np.int32)
    return known[:size].view(dtype)


def sparse_flatnonzero(mask: Bool) -> Int64:
    """Do what `np.flatnonzero` does, faster for a mask that is nearly all False.

    Eight values are compared at once, as one 64-bit integer.
    """
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    row, place = np.nonzero(mask[:whole].reshape(-1, 8)[words])
    return np.concatenate([words[row] * 8 + place, whole + np.flatnonzero(mask[whole:])])


def bfloat16_margin(dim: int) -> float:
    """Return how far below a threshold products of vectors rounded to bfloat16 must be searched.

    bfloat16 has 8 significant bits: a rounded vector x' differs from x by at most 2^-8 |x|. With
    x.y <= x'.y' + |x'||y - y'| + |x - x'||y|, by Cauchy and Schwarz, that is below 2.01 * 2^-8 for
    two unit vectors. The margin of float32 covers the sum; it is doubled, since the norms of
    rounded vectors may exceed 1 a little, and the smallest numbers may be taken as 0.
    """
    return 2 * product_margin(dim) + 2.01 * 2.0**-8


def rounded_down(values: Float64) -> Bounds:
    """Round float64 values (q,) to float32 that are not larger; -inf stays."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))
