"""Ways to bound the cosines of many queries with many references, by products of matrices.

By the codes of a sketch (see `sketch`), or by the vectors themselves, in float32 or in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32, Float64, Int64
from vecsim.search.blocks import Queries
from vecsim.search.products import PackedBFloat16, PackedCodes, PackedFloat32, to_bfloat16
from vecsim.search.score import product_margin, take_rows
from vecsim.search.sketch import Sketch, score_cutoffs

GROUP = 16  # queries come in whole groups of so many
TILE_QUERIES = 256

Bounds: TypeAlias = npt.NDArray[Any]  # float32 or int32
Offsets: TypeAlias = npt.NDArray[np.int32]
Rows = TypeVar("Rows", bound=npt.NDArray[Any])


class Strip(Protocol):
    """Bounds of the pairs of some queries, in groups, with the references of one strip."""

    def tile(self, top: int, buffer: Bounds) -> tuple[Bounds, Offsets | None]:
        """Return the bounds (m, n) of queries `top` up to `top` + `TILE_QUERIES`.

        They are a view of `buffer`. With them come offsets (n,) that are still to be added.
        """


class Bounding(Protocol):
    """One way to bound the cosines of all queries of a block with some references."""

    dtype: type[np.generic]

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least bound of a pair at the threshold of its query: (q,)."""

    def arrange(self, order: Int64) -> None:
        """Put the queries in the order `order`, and fill them up to whole groups."""

    def strip(self, references: slice) -> Strip:
        """Prepare the products of some references with the arranged queries."""


def _in_order(rows: Rows, order: Int64) -> Rows:
    """Return `rows` (q, w) in another order, and rows of zeros up to a whole group."""
    filled = np.zeros((-(-len(order) // GROUP) * GROUP, rows.shape[1]), rows.dtype)
    filled[: len(order)] = take_rows(rows, order)
    return cast(Rows, filled)


class SketchBounds:
    """Bounds of cosines by one level of a sketch: sums of codes, int32."""

    dtype: type[np.generic] = np.int32

    def __init__(self, queries: Queries, sketch: Sketch, number: int) -> None:
        self._level = sketch.axes.levels[number]
        self._references = sketch.levels[number]
        self._queries = queries.codes(sketch.axes, number)
        self._arranged = self._queries.codes

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least sum of each query: int32 (q,)."""
        return score_cutoffs(self._level, self._queries.offsets, thresholds)

    def arrange(self, order: Int64) -> None:
        """Put the codes of the queries in the order `order`."""
        self._arranged = _in_order(self._queries.codes, order)

    def strip(self, references: slice) -> Strip:
        """Pack the codes of some references."""
        part = self._references.slice_rows(references)
        return _Strip(self._arranged, PackedCodes(part.codes), part.offsets)


class Float32Bounds:
    """Products of the vectors themselves, float32."""

    dtype: type[np.generic] = np.float32

    def __init__(self, queries: Float32, references: Float32) -> None:
        self._queries = self._arranged = queries
        self._references = references

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least product of each query: float32 (q,)."""
        return _rounded_down(thresholds - product_margin(self._queries.shape[1]))

    def arrange(self, order: Int64) -> None:
        """Put the queries in the order `order`."""
        self._arranged = _in_order(self._queries, order)

    def strip(self, references: slice) -> Strip:
        """Take some references."""
        return _Strip(self._arranged, PackedFloat32(self._references[references]), None)


class BFloat16Bounds(Float32Bounds):
    """Products of the vectors rounded to bfloat16, summed in float32."""

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least product of each query: float32 (q,)."""
        return _rounded_down(thresholds - bfloat16_margin(self._queries.shape[1]))

    def strip(self, references: slice) -> Strip:
        """Round and pack some references."""
        return _Strip(self._rounded, PackedBFloat16(self._references[references]), None)

    def arrange(self, order: Int64) -> None:
        """Round the queries, and put them in the order `order`."""
        self._rounded = to_bfloat16(_in_order(self._queries, order))


class _Packed(Protocol):
    def products(self, rows: Any, buffer: Any) -> Bounds:
        """Return the products of `rows` (m, w) with the packed ones (m, n), a view of `buffer`."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """The arranged queries and one strip of references, packed."""

    queries: npt.NDArray[Any]
    references: _Packed
    offsets: Offsets | None

    def tile(self, top: int, buffer: Bounds) -> tuple[Bounds, Offsets | None]:
        rows = self.queries[top : top + TILE_QUERIES]
        return self.references.products(rows, buffer), self.offsets


def bfloat16_margin(dim: int) -> float:
    """Return how far below a threshold products of vectors rounded to bfloat16 must be searched.

    bfloat16 has 8 significant bits: a rounded vector x' differs from x by at most 2^-8 |x|. With
    x.y <= x'.y' + |x'||y - y'| + |x - x'||y|, by Cauchy and Schwarz, that is below 2.01 * 2^-8 for
    two unit vectors. The margin of float32 covers the sum; it is doubled, since the norms of
    rounded vectors may exceed 1 a little, and the smallest numbers may be taken as 0.
    """
    return 2 * product_margin(dim) + 2.01 * 2.0**-8


def _rounded_down(values: Float64) -> Bounds:
    """Round float64 values (q,) to float32 that are not larger; -inf stays."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))
