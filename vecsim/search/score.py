"""The canonical score: the one number that vecsim prints, stores and compares.

The score of two stored vectors is their exact cosine (norms included), rounded half to even to six
decimals. It is computed in float64. Where the error of float64 leaves open which way to round, the
decision is made with integers, so that every machine, BLAS and order of summation gives the same
score. `docs/exactness.md` derives the error bounds.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vecsim.errors import UsageError, VectorError
from vecsim.records import Float32, Float64, Int64
from vecsim.search.rounding import (
    HALF_SCORE_UNIT,
    ROUNDED_AT_ONCE,
    WholeRows,
    as_whole_rows,
    decide_pairs,
    decide_whole,
    round_cosines,
    whole_products,
)

FLOAT32_ROUNDOFF = 2.0**-24  # largest relative error of one rounding to float32
BLOCK_VALUES = 1 << 16  # values per block of work: half a megabyte of float64 stays in the cache
MATRIX_BLOCK_PAIRS = 1 << 20  # pairs of the full matrix that are scored at once
MAX_ROWS_NAMED = 5  # bad rows that an error message lists


Rows = TypeVar("Rows", bound=npt.NDArray[Any])


def check_threshold(value: float) -> float:
    """Return `value` as a float. Raises UsageError unless it is a number in [-1, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(
            f"threshold={value!r}: must be a number between -1 and 1, not {type(value).__name__}."
        )
    threshold = float(value)
    if not -1.0 <= threshold <= 1.0:
        raise UsageError(
            f"threshold {value!r} is not between -1 and 1: scores are cosines. Use 1 for identical "
            "images only, about 0.85 for similar ones, -1 for every pair."
        )
    return threshold


def normalise(vectors: npt.ArrayLike) -> Float32:
    """Divide `vectors` (n, d), of any real dtype, by their norms: float32 (n, d).

    Computed in float64 and rounded once. Raises VectorError naming the rows that have no direction
    (zero or not finite), or if `vectors` is not a two-dimensional array of real numbers.
    """
    given = _as_real_matrix(vectors)
    unit = np.empty(given.shape, np.float32)
    bad: list[int] = []
    step = max(1, BLOCK_VALUES // max(1, given.shape[1]))
    for start in range(0, len(given), step):
        block = given[start : start + step].astype(np.float64)
        largest = np.abs(block).max(axis=1, initial=0.0)
        valid = (largest > 0) & np.isfinite(largest)
        bad.extend((start + np.flatnonzero(~valid)).tolist())
        largest[~valid] = 1.0
        block /= largest[:, None]  # so that squares neither overflow nor underflow
        block[~valid] = 1.0
        block /= np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        unit[start : start + step] = block
    if bad:
        named = ", ".join(map(str, bad[:MAX_ROWS_NAMED])) + ", …" * (len(bad) > MAX_ROWS_NAMED)
        raise VectorError(
            f"{len(bad)} of {len(given)} vectors have no direction (zero or not finite): "
            f"rows {named}, counted from 0. Leave them out."
        )
    return unit


def _as_real_matrix(vectors: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """Return `vectors` as an array (n, d). Raises VectorError if they are not one."""
    try:
        given = np.asarray(vectors)
        numeric = given.dtype.kind in "fiu"
    except ValueError:  # rows of different lengths
        numeric = False
    if not numeric:
        raise VectorError("vectors must be an array of real numbers, one vector per row")
    if given.ndim != 2:
        raise VectorError(
            f"vectors must have two dimensions (count, length), not shape {given.shape}; "
            "for a single vector pass vector[None, :]; pixels of a picture are uint8"
        )
    return given


def product_margin(dim: int) -> float:
    """Return how far below a threshold float32 products must be searched to miss no pair.

    For two vectors (dim,) from `normalise`: score >= threshold implies
    product > threshold - product_margin(dim), in any order of summation. The margin is the sum of
    half a unit of the score and the error bound of a float32 inner product (Higham, Accuracy and
    Stability of Numerical Algorithms, section 3.1); the 8 extra terms cover the rounding of both
    vectors' norms and of the threshold to float32.
    """
    return HALF_SCORE_UNIT + 1.01 * (dim + 8) * FLOAT32_ROUNDOFF


def take_rows(vectors: Rows, rows: Int64) -> Rows:
    """Return `vectors[rows]` (p, d), contiguous rows, as an aligned copy, reading no other rows.

    In a mapped segment file the vectors begin at an odd address. NumPy would copy such an unaligned
    array as a whole to take a few rows of it; as bytes, an array is always aligned.
    """
    if vectors.flags.aligned:
        return cast(Rows, vectors.take(rows, axis=0))
    taken = vectors.view(np.uint8).take(rows, axis=0).view(vectors.dtype)
    return cast(Rows, taken)


def score_pairs(
    queries: Float32, references: Float32, query_rows: Int64, reference_rows: Int64
) -> Float64:
    """Score pairs of rows: float64 (p,), for `query_rows` and `reference_rows` int64 (p,).

    `queries` (q, d) and `references` (n, d) are stored float32 vectors, none of them zero. Works in
    blocks: a few megabytes beside the result.
    """
    cosines = np.empty(len(query_rows), np.float64)
    step = max(1, BLOCK_VALUES // max(1, queries.shape[1]))
    for start in range(0, len(query_rows), step):
        part = slice(start, start + step)
        x = take_rows(queries, query_rows[part]).astype(np.float64)
        y = take_rows(references, reference_rows[part]).astype(np.float64)
        squares = np.vecdot(x, x) * np.vecdot(y, y)
        cosines[part] = np.vecdot(x, y) / np.sqrt(squares)

    def decide(pairs: Int64, near: Float64) -> Float64:
        return _decide(queries, references, query_rows[pairs], reference_rows[pairs], near)

    return round_cosines(cosines, decide)


def score_matrix(queries: Float32, references: Float32) -> Float64:
    """Score every pair: float64 (q, n), for stored float32 vectors (q, d) and (n, d).

    Needs, beside the result, a few megabytes and the vectors in float64.
    """
    scores = np.empty((len(queries), len(references)), np.float64)
    if not scores.size:
        return scores
    one, two = _whole_rows(queries), _whole_rows(references)
    if one is None or two is None:
        wide, columns = _to_unit_float64(queries), _to_unit_float64(references).T
    step = max(1, MATRIX_BLOCK_PAIRS // len(references))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        if one is not None and two is not None:
            _score_whole(one.slice_rows(part), two, scores[part])
        else:
            np.matmul(wide[part], columns, out=scores[part])
            rows = queries[part]

            def decide(pairs: Int64, near: Float64, rows: Float32 = rows) -> Float64:
                return _decide(rows, references, *np.divmod(pairs, len(references)), near)

            round_cosines(scores[part].reshape(-1), decide)
    return scores


def _score_whole(one: WholeRows, two: WholeRows, scores: Float64) -> None:
    """Score every pair of exact rows into `scores` (q, n).

    Their products are exact, so that pairs in the middle of two scores need no second look.
    """
    products = whole_products(one, two)
    if (table := _table_of_products(one, two, scores.size)) is not None:
        np.add(products, len(table) // 2, out=products)
        np.take(table, products.astype(np.intp), out=scores, mode="clip")
        return
    step = max(1, ROUNDED_AT_ONCE // len(two.squares))
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        some = products[part].astype(np.float64, copy=False)
        _round_whole(some, np.outer(one.squares[part], two.squares), scores[part])


def _table_of_products(one: WholeRows, two: WholeRows, count: int) -> Float64 | None:
    """Return the scores of all products that rows of one norm on each side can have, ascending.

    By Cauchy and Schwarz those are whole numbers from -m to m: float64 (2 m + 1,). Returns None
    unless each side has one norm, as signs have, and that is less work than scoring `count` pairs.
    """
    squares = one.squares[:1] * two.squares[:1]
    largest = int(np.sqrt(squares[0])) + 1
    if 2 * largest >= count or np.ptp(one.squares) or np.ptp(two.squares):
        return None
    products = np.arange(-largest, largest + 1, dtype=np.float64)
    table = np.empty_like(products)
    _round_whole(products, np.broadcast_to(squares, products.shape), table)
    return table


def _round_whole(products: Float64, squares: Float64, scores: Float64) -> None:
    """Divide exact `products` by the roots of exact `squares`, round into contiguous `scores`."""
    flat = scores.reshape(-1)
    one, two = products.reshape(-1), squares.reshape(-1)
    np.divide(one, np.sqrt(two), out=flat)
    round_cosines(flat, lambda pairs, near: decide_whole(one[pairs], two[pairs], near))


def _whole_rows(vectors: Float32) -> WholeRows | None:
    """Return `vectors` as whole numbers, or None if one of them is not exact in these."""
    if not as_whole_rows(vectors[:1]).exact.all():
        return None
    rows = as_whole_rows(vectors)
    return rows if rows.exact.all() else None


def _to_unit_float64(vectors: Float32) -> Float64:
    wide = vectors.astype(np.float64)
    wide /= np.sqrt(np.vecdot(wide, wide))[:, None]
    return wide


def _decide(
    queries: Float32, references: Float32, query_rows: Int64, reference_rows: Int64, near: Float64
) -> Float64:
    """Call `decide_pairs` for pairs of rows, a few at a time."""
    scores = np.empty(len(near))
    step = max(1, BLOCK_VALUES // max(1, queries.shape[1]))
    for start in range(0, len(near), step):
        part = slice(start, start + step)
        x = take_rows(queries, query_rows[part])
        y = take_rows(references, reference_rows[part])
        scores[part] = decide_pairs(x, y, near[part])
    return scores
