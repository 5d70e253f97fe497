"""Sketches: a few hundred bytes per vector that bound its cosine with any other vector from above.

Let x and y be unit vectors, m the centre and R the basis (orthonormal columns). Let a be the
coordinates of x - m along R after rounding to codes, r = x - m - R a, what they do not describe,
and e = R^T r, the rounding errors; b, q, f likewise for y. Then

    x.y = x.m + y.m - m.m + a.b + a.f + e.b + r.q
       <= x.m + y.m - m.m + a.b + |a||f| + |e||b| + |r||q|          (Cauchy-Schwarz)

The norm |r| is rounded up to a multiple of the step, as one more code. |e| and |f| are replaced by
their typical value, and each vector pays for its excess over it (times `MAX_PART_NORM`). What is
left is one inner product of codes, a number that depends on x alone, and one that depends on y
alone: the offsets. In units of step^2:

    cosine <= codes(x).codes(y) + offset(x) + offset(y)

This is the bound of L2AP (Anastasiu and Karypis 2014; one prefix norm) and Panorama (arXiv
2510.00566; rotated prefixes), on centred vectors and in eight bits, with every rounding error added
to the offset. `docs/exactness.md` has the proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32, Float64
from vecsim.search.axes import MAX_CODE, Axes, Level, project, projection_error
from vecsim.search.products import Int8, Int32, single_threaded_blas, thread_pool
from vecsim.search.rounding import HALF_SCORE_UNIT
from vecsim.search.score import FLOAT32_ROUNDOFF

ENCODED_AT_ONCE = 512  # vectors that a thread projects at once: few enough to stay in the cache
# Above |a|, |e| and |r|: |x - m| <= 2, and rounding adds at most half a step per coordinate.
MAX_PART_NORM = 2.5
# How far the squared norm of a unit vector may be from 1 after rounding to float32, generously.
UNIT_NORM_ERROR = 2.0**-21


@dataclass(frozen=True, slots=True)
class LevelCodes:
    """The sketch of n vectors at one level of K axes.

    `codes`: int8 (n, K + 1), K coordinates and the norm of the residual. `offsets`: int32 (n,), in
    units of step^2.
    """

    codes: Int8
    offsets: Int32

    def __len__(self) -> int:
        return len(self.offsets)

    @classmethod
    def empty(cls, count: int, width: int) -> LevelCodes:
        """Return room for the codes (count, width) of vectors."""
        return cls(np.empty((count, width), np.int8), np.empty(count, np.int32))

    def slice_rows(self, rows: slice) -> LevelCodes:
        """Return the codes of some of the vectors, without a copy."""
        return LevelCodes(self.codes[rows], self.offsets[rows])


@dataclass(frozen=True, slots=True)
class Sketch:
    """The sketch of a block of vectors: their codes at each level of `axes`.

    The arrays may be read-only memory maps.
    """

    axes: Axes
    levels: tuple[LevelCodes, ...]

    def slice_rows(self, rows: slice) -> Sketch:
        """Return the sketch of some of the vectors, without a copy."""
        return Sketch(self.axes, tuple(level.slice_rows(rows) for level in self.levels))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the codes as named arrays, for storing. The axes are stored separately."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for number, level in enumerate(self.levels):
            arrays[f"codes{number}"] = level.codes
            arrays[f"offsets{number}"] = level.offsets
        return arrays

    @classmethod
    def from_arrays(cls, axes: Axes, arrays: Mapping[str, npt.NDArray[Any]]) -> Sketch:
        """Restore a sketch from the arrays of `to_arrays`. Raises KeyError if one is missing."""
        numbers = range(len(axes.levels))
        return cls(
            axes, tuple(LevelCodes(arrays[f"codes{n}"], arrays[f"offsets{n}"]) for n in numbers)
        )


def make_sketch(vectors: Float32, axes: Axes) -> Sketch:
    """Encode unit vectors (n, d), which may be a memory map, at each level of `axes`."""
    return Sketch(axes, tuple(encode_level(vectors, axes, n) for n in range(len(axes.levels))))


def encode_level(vectors: Float32, axes: Axes, number: int) -> LevelCodes:
    """Encode unit vectors (n, d) at level `number` of `axes`, in blocks of rows on all cores."""
    level = axes.levels[number]
    found = LevelCodes.empty(len(vectors), level.code_count)

    def encode_block(start: int) -> None:
        part = slice(start, start + ENCODED_AT_ONCE)
        found.codes[part], found.offsets[part] = _encode(
            project(vectors[part], level.projection), level
        )

    starts = range(0, len(vectors), ENCODED_AT_ONCE)
    if len(starts) > 1:
        with thread_pool() as pool:
            list(pool.map(encode_block, starts))
    elif len(vectors):
        with single_threaded_blas():
            encode_block(0)
    return found


def score_cutoffs(level: Level, offsets: Int32, thresholds: Float64) -> Int32:
    """Return, per query, the smallest sum that a pair at its threshold can have: int32 (q,).

    The sum of a pair is codes.codes + the reference's offset; a pair with a smaller one scores
    below the threshold. `offsets` (q,) are the queries' own; `thresholds` (q,) may hold -inf.
    """
    # Rounding of the score, of both squared norms to 1, and the error of a.b where the basis is
    # not exactly orthonormal.
    slack = HALF_SCORE_UNIT + 2 * UNIT_NORM_ERROR + level.orthogonality_error * MAX_PART_NORM**2
    cutoffs = np.floor((thresholds - slack) / level.step**2) - offsets
    return np.clip(cutoffs, -(2**31), 2**31 - 1).astype(np.int32)


def _encode(projected: Float32, level: Level) -> tuple[Int8, Int32]:
    """Encode vectors x from `projected` (n, K + 1), their products with the basis and the centre.

    Returns codes (n, K + 1) and offsets (n,). Every quantity that adds to the bound is rounded up.
    Three errors are accounted for: `product_error` of one float32 product with a unit column,
    `coordinates_error` of all K coordinates together (as a norm), and `summation_error`, the
    relative error of a float32 sum of K squares.
    """
    count, centre_norm = level.code_count - 1, level.centre_norm
    product_error = projection_error(level.projection.shape[0])
    coordinates_error = product_error * level.frobenius_norm + 2.0**-20
    summation_error = 1.01 * (count + 2) * FLOAT32_ROUNDOFF

    # An upper bound of x.m; twice its error below lies a lower bound.
    with_centre = projected[:, count].astype(np.float64) + product_error * centre_norm
    coordinates = projected[:, :count] - level.projected_centre
    codes = np.empty((len(coordinates), count + 1), np.int8)
    rounded = np.clip(np.rint(coordinates * np.float32(1 / level.step)), -MAX_CODE, MAX_CODE)
    codes[:, :count] = rounded
    rounded *= np.float32(level.step)
    coordinates_square = _squared_norms(coordinates)
    kept_norm = np.sqrt(_squared_norms(rounded) * (1 + summation_error))  # |a|
    coordinates -= rounded
    rounding_square = _squared_norms(coordinates) * (1 + summation_error)
    rounding = np.sqrt(rounding_square) + coordinates_error  # |e|
    rounding += level.orthogonality_error * kept_norm

    # |r|^2 = |x - m|^2 - |coordinates|^2 + |rounding|^2, and what the errors can add to it.
    with_centre_below = with_centre - 2 * product_error * centre_norm
    centred_square = 1 + UNIT_NORM_ERROR + centre_norm**2 - 2 * with_centre_below
    residual = centred_square - coordinates_square * (1 - summation_error) + rounding_square
    error = 2 * kept_norm * coordinates_error + level.orthogonality_error * kept_norm**2
    residual += error + 2.0**-18
    residual = np.sqrt(np.maximum(residual, 0.0))  # |r|
    steps = np.clip(np.ceil((residual - level.typical_residual) / level.step), -MAX_CODE, MAX_CODE)
    codes[:, count] = steps
    excess = np.maximum(residual - level.typical_residual - level.step * steps, 0.0)
    excess += np.maximum(rounding - level.typical_rounding, 0.0)

    offset = with_centre - centre_norm**2 / 2 + level.typical_rounding * kept_norm
    offset += MAX_PART_NORM * excess
    offset += level.typical_residual * (level.step * steps + level.typical_residual / 2)
    return codes, (np.ceil(offset / level.step**2) + 1).astype(np.int32)


def _squared_norms(rows: Float32) -> Float64:
    squares: Float64 = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    return squares
