"""Rounds float64 cosines to scores; where float64 cannot decide, integers do.

A cosine within `TIE_WINDOW` of the middle of two scores is decided from the stored vectors. Vectors
whose values are small whole multiples of one number (signs, bits of hashes) have cosines that often
lie exactly in the middle: those are decided all at once, the few others one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vecsim.records import Bool, Float32, Float64, Int64

SCALE = 1e6  # scores have six decimals: score * SCALE is a whole number
HALF_SCORE_UNIT = 0.5 / SCALE
# A float64 cosine this near to the middle of two scores is rounded with integers. An inner product
# of d terms is off by at most d * 2^-53 times the norms, in any order of summation; with the two
# norms, SCALE * cosine is off by less than this up to d = 40,000.
TIE_WINDOW = 1e-5
# Largest squared norm of a vector of whole numbers: the product of two is exact in float64.
MAX_SQUARE = 2.0**26
# Largest product of two squared norms of which float32 holds the inner products, and twice as much.
MAX_FLOAT32_SQUARES = 2.0**46
ROUNDED_AT_ONCE = 1 << 15  # cosines whose roundings stay in the cache

# (positions in the cosines, SCALE * cosines at them) -> SCALE * scores
Decide = Callable[[Int64, Float64], Float64]


def round_cosines(cosines: Float64, decide: Decide) -> Float64:
    """Round float64 `cosines` (p,) half to even to scores (p,), in place.

    `decide` is called with the positions of those that lie near the middle of two scores.
    """
    for start in range(0, len(cosines), ROUNDED_AT_ONCE):
        part = cosines[start : start + ROUNDED_AT_ONCE]
        part *= SCALE
        whole = np.rint(part)
        distance = np.abs(part - whole)
        if distance.max() > 0.5 - TIE_WINDOW:
            undecided = np.flatnonzero(distance > 0.5 - TIE_WINDOW)
            whole[undecided] = decide(start + undecided, part[undecided])
        np.divide(whole, SCALE, out=part)
        part += 0.0  # -0.0 becomes 0.0
    return cosines


@dataclass(frozen=True, slots=True)
class WholeRows:
    """Vectors scaled to whole numbers, which does not change their cosines.

    `values`: float64 (n, d), `squares`: float64 (n,), the squared norms. Both are exact in the rows
    where `exact` (n,) is True: values are whole, and squares at most `MAX_SQUARE`.
    """

    values: Float64
    squares: Float64
    exact: Bool

    def slice_rows(self, rows: slice) -> WholeRows:
        """Return some of the rows, without a copy."""
        return WholeRows(self.values[rows], self.squares[rows], self.exact[rows])


def as_whole_rows(vectors: Float32) -> WholeRows:
    """Divide each of `vectors` (n, d) by its smallest value that is not 0."""
    count, dim = vectors.shape
    whole = WholeRows(np.empty((count, dim)), np.empty(count), np.empty(count, bool))
    step = max(1, ROUNDED_AT_ONCE // max(1, dim))
    for start in range(0, count, step):
        part = slice(start, start + step)
        _divide_rows(vectors[part], whole.slice_rows(part))
    return whole


def _divide_rows(vectors: Float32, whole: WholeRows) -> None:
    """Fill `whole` with a few of `vectors` (n, d)."""
    wide = vectors.astype(np.float64)
    sizes = np.abs(wide)
    sizes[sizes == 0] = np.inf
    unit = sizes.min(axis=1, initial=np.inf, keepdims=True)
    unit[~np.isfinite(unit)] = 1.0
    # Within 2^14 of the unit; more would exceed `MAX_SQUARE`, and might overflow.
    values = np.divide(wide, unit, out=whole.values)
    np.rint(np.clip(values, -(2.0**14), 2.0**14, out=values), out=values)
    # A product of 15 and 24 bits is exact in float64.
    whole.exact[:] = (values * unit == wide).all(axis=1)
    np.vecdot(values, values, out=whole.squares)
    np.logical_and(whole.exact, whole.squares <= MAX_SQUARE, out=whole.exact)


def whole_products(one: WholeRows, two: WholeRows) -> Float64 | Float32:
    """Return the exact inner products of all exact rows: (q, n), float32 where that holds them.

    By Cauchy and Schwarz, no partial sum is above the product of the norms.
    """
    largest = one.squares.max(initial=0.0) * two.squares.max(initial=0.0)
    if largest <= MAX_FLOAT32_SQUARES:
        products: Float32 = one.values.astype(np.float32) @ two.values.astype(np.float32).T
        return products
    return one.values @ two.values.T


def decide_whole(products: Float64, squares: Float64, near: Float64) -> Float64:
    """Round SCALE * products / sqrt(squares) half to even: float64 (p,), whole numbers.

    `products` (p,): exact inner products of whole vectors. `squares` (p,): exact products of their
    squared norms, at most 2^52. `near` (p,): what is to be rounded, in float64: close to m + 1/2.

    The sign of left^2 - right^2 * squares decides, where left = 2 * SCALE * product and right =
    2 * m + 1. Since |left / sqrt(squares) - right| < 5 * TIE_WINDOW and both are below 2.1 * SCALE,
    the difference is below 210 * squares < 2^60: computed modulo 2^64 it is exact.
    """
    below = np.floor(near)
    right = np.abs(2 * below + 1).astype(np.uint64)
    left = np.abs(2 * SCALE * products).astype(np.uint64)
    difference = (left * left - right * right * squares.astype(np.uint64)).view(np.int64)
    above = np.sign(difference) * np.where(near < 0, -1, 1)
    even = below + np.mod(below, 2)
    return np.where(above == 0, even, below + (above > 0))


def decide_pairs(x: Float32, y: Float32, near: Float64) -> Float64:
    """Round SCALE * cosine half to even for each row of `x` and `y` (p, d): float64 (p,).

    `near` (p,): SCALE * cosine in float64, close to the middle of two whole numbers.
    """
    one, two = as_whole_rows(x), as_whole_rows(y)
    exact = one.exact & two.exact
    products = np.vecdot(one.values[exact], two.values[exact])
    scores = np.empty(len(near))
    scores[exact] = decide_whole(products, (one.squares * two.squares)[exact], near[exact])
    known: dict[tuple[bytes, bytes], int] = {}
    for pair in np.flatnonzero(~exact).tolist():
        key = (x[pair].tobytes(), y[pair].tobytes())
        if key not in known:
            known[key] = _decide_exactly(x[pair], y[pair], float(near[pair]))
        scores[pair] = known[key]
    return scores


def _decide_exactly(x: Float32, y: Float32, near: float) -> int:
    """Round SCALE * cosine(x, y) half to even, given that it is close to `near` = m + 1/2.

    Every float32 is an integer multiple of a power of two, so all sums below are exact integers;
    the common factors cancel in the cosine.
    """
    below = int(np.floor(near))
    a, b = _as_integers(x), _as_integers(y)
    product = sum(i * j for i, j in zip(a, b, strict=True))
    squares = sum(i * i for i in a) * sum(j * j for j in b)
    # Compare SCALE * product / sqrt(squares) with (2 * below + 1) / 2: both squared, signs kept.
    left = 2 * int(SCALE) * product
    right = 2 * below + 1
    difference = left * abs(left) - right * abs(right) * squares
    if difference == 0:
        return below + below % 2
    return below + 1 if difference > 0 else below


def _as_integers(vector: Float32) -> list[int]:
    """Return float32 values (d,) times a power of two that makes all of them whole."""
    wide = vector.astype(np.float64)
    _, exponents = np.frexp(wide[wide != 0])
    scale = 24 - int(exponents.min(initial=24))
    return [int(value) for value in np.ldexp(wide, scale).tolist()]
