"""Sketches: a few hundred bytes a vector that bound its cosine with any other from above.

Let x and y be unit vectors, m the centre and R the axes (orthonormal columns). Write a for the
coordinates of x - m along the axes rounded to codes, e for that rounding error, r for all of
x - m that R a does not give; and b, f, p for y likewise. Then

    x.y = x.m + y.m - m.m + a.b + a.f + e.b + r.p
       <= x.m + y.m - m.m + a.b + |a||f| + |e||b| + |r||p|          (Cauchy-Schwarz)

The norm |r| is rounded up and coded as one more coordinate, |e| and |f| are replaced by their
usual size plus what exceeds it (times LARGEST), so that all but one inner product of codes is a
number that belongs to x plus one that belongs to y: their offsets. In units of step^2:

    cosine <= codes(x).codes(y) + offset(x) + offset(y)

This is the bound of Panorama (arXiv 2510.00566) and, with one norm, of L2AP (Anastasiu and
Karypis 2014), on centred vectors and in eight bits, where rounding is paid for in the offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32, Float64
from vecsim.search.axes import CODE, Axes, Level, project, projection_error
from vecsim.search.cores import all_cores, quiet_blas
from vecsim.search.score import FLOAT32_UNIT, HALF_UNIT

Int8: TypeAlias = npt.NDArray[np.int8]
Int32: TypeAlias = npt.NDArray[np.int32]

ROWS = 512  # vectors that a thread projects at once: few enough to stay in the cache
LARGEST = 2.5  # above |a|, |e| and |r|: |x - m| <= 2, and rounding adds step/2 an axis at most
UNIT = 2.0**-21  # how far the squared norm of a unit float32 vector may be from 1, generously


@dataclass(frozen=True, slots=True)
class Rows:
    """The sketch of n vectors at one level: codes (n, K + 1) int8 and offsets (n,) int32."""

    codes: Int8
    offsets: Int32

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, rows: slice) -> Rows:
        """The sketch of some of the vectors, without a copy."""
        return Rows(self.codes[rows], self.offsets[rows])


@dataclass(frozen=True, slots=True)
class Sketch:
    """The sketch of a block's vectors: their rows at each level of `axes`.

    The arrays may be read-only memory maps.
    """

    axes: Axes
    levels: tuple[Rows, ...]

    def part(self, rows: slice) -> Sketch:
        """The sketch of some of the vectors, without a copy."""
        return Sketch(self.axes, tuple(level.part(rows) for level in self.levels))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The rows as named arrays; the axes are stored on their own, under their id."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for number, rows in enumerate(self.levels):
            arrays[f"codes{number}"] = rows.codes
            arrays[f"offsets{number}"] = rows.offsets
        return arrays

    @classmethod
    def from_arrays(cls, axes: Axes, arrays: Mapping[str, npt.NDArray[Any]]) -> Sketch:
        """The sketch that `to_arrays` took apart. Raises KeyError if something is missing."""
        levels = range(len(axes.levels))
        return cls(axes, tuple(Rows(arrays[f"codes{n}"], arrays[f"offsets{n}"]) for n in levels))


def make_sketch(vectors: Float32, axes: Axes) -> Sketch:
    """The sketch of unit vectors (n, d), which may be a memory map; works in blocks of rows."""
    return Sketch(axes, tuple(sketch_level(vectors, axes, n) for n in range(len(axes.levels))))


def sketch_level(vectors: Float32, axes: Axes, number: int) -> Rows:
    """The rows of unit vectors (n, d) at one level."""
    level = axes.levels[number]
    codes = np.empty((len(vectors), level.width), np.int8)
    offsets = np.empty(len(vectors), np.int32)

    def work(start: int) -> None:
        part = slice(start, start + ROWS)
        codes[part], offsets[part] = _encode(project(vectors[part], level.plane), level)

    starts = range(0, len(vectors), ROWS)
    if len(starts) > 1:
        with all_cores() as pool:
            list(pool.map(work, starts))
    elif len(vectors):
        with quiet_blas():
            work(0)
    return Rows(codes, offsets)


def least_sums(level: Level, offsets: Int32, thresholds: Float64) -> Int32:
    """What codes.codes + the reference's offset reaches, at least, for a pair that counts: (q,).

    A pair counts if it scores at least the query's threshold; `thresholds` (q,) may hold -inf.
    `offsets` (q,) are the queries' own.
    """
    slack = HALF_UNIT + 2 * UNIT + level.skew * LARGEST**2
    least = np.floor((thresholds - slack) / level.step**2) - offsets
    return np.clip(least, -(2**31), 2**31 - 1).astype(np.int32)


def _encode(seen: Float32, level: Level) -> tuple[Int8, Int32]:
    """Codes and offsets of vectors x from their float32 products with the axes and the centre.

    Every quantity that the bound adds is rounded up: `doubt` bounds the error of one product,
    `blur` that of all coordinates together (as a norm), `loose` the relative error of a sum of
    K squares in float32.
    """
    count, length = level.width - 1, level.length
    doubt = projection_error(len(level.plane))
    blur = doubt * level.norm + 2.0**-20
    loose = 1.01 * (count + 2) * FLOAT32_UNIT

    along = seen[:, count].astype(np.float64) + doubt * length  # x.m
    seen = seen[:, :count] - level.shift
    codes = np.empty((len(seen), count + 1), np.int8)
    rounded = np.clip(np.rint(seen * np.float32(1 / level.step)), -CODE, CODE)
    codes[:, :count] = rounded
    rounded *= np.float32(level.step)
    seen_square = _squares(seen)
    size = np.sqrt(_squares(rounded) * (1 + loose))  # |a|
    seen -= rounded
    lost_square = _squares(seen) * (1 + loose)
    error = np.sqrt(lost_square) + blur + level.skew * size  # |e|

    whole = 1 + UNIT + length**2 - 2 * (along - 2 * doubt * length)  # |x - m|^2
    rest = whole - seen_square * (1 - loose) + lost_square
    rest += 2 * size * blur + level.skew * size**2 + 2.0**-18
    rest = np.sqrt(np.maximum(rest, 0.0))  # |r|
    steps = np.clip(np.ceil((rest - level.rest) / level.step), -CODE, CODE)
    codes[:, count] = steps
    beyond = np.maximum(rest - level.rest - level.step * steps, 0.0)
    beyond += np.maximum(error - level.error, 0.0)

    offset = along - length**2 / 2 + level.error * size + LARGEST * beyond
    offset += level.rest * (level.step * steps + level.rest / 2)
    return codes, (np.ceil(offset / level.step**2) + 1).astype(np.int32)


def _squares(rows: Float32) -> Float64:
    squares: Float64 = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    return squares
