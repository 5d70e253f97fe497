"""The canonical score: the one number that vecsim prints, stores and compares.

The score of two stored vectors is their exact cosine (norms included), rounded half to even to six
decimals. It is computed in float64. Where the error of float64 leaves open which way to round, the
decision is made with integers, so that every machine, BLAS and order of summation gives the same
score. `docs/exactness.md` derives the error bounds.

`CandidateScorer` scores the candidates of a search: float32 products discard most of them, the
canonical score decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import numpy.typing as npt

from vecsim.errors import UsageError, VectorError
from vecsim.records import Bool, Float32, Float64, Int64, Pairs

SCALE = 1e6  # scores have six decimals: score * SCALE is a whole number
HALF_SCORE_UNIT = 0.5 / SCALE
# A float64 cosine this near to the middle of two scores is rounded with integers. An inner product
# of d terms is off by at most d * 2^-53 times the norms, in any order of summation; with the two
# norms, SCALE * cosine is off by less than this up to d = 40,000.
TIE_WINDOW = 1e-5
FLOAT32_ROUNDOFF = 2.0**-24  # largest relative error of one rounding to float32
BLOCK_VALUES = 1 << 16  # values per block of work: half a megabyte of float64 stays in the cache
MATRIX_BLOCK_PAIRS = 1 << 20  # pairs of the full matrix that are scored at once
MAX_ROWS_NAMED = 5  # bad rows that an error message lists


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
            "for a single vector pass vector[None, :]"
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


def take_rows(vectors: Float32, rows: Int64) -> Float32:
    """Return `vectors[rows]` (p, d) as an aligned copy, without reading the other rows.

    In a mapped segment file the vectors begin at an odd address. NumPy would copy such an unaligned
    array as a whole to take a few rows of it; as bytes, an array is always aligned.
    """
    if vectors.flags.aligned:
        return vectors.take(rows, axis=0)
    taken: Float32 = vectors.view(np.uint8).take(rows, axis=0).view(np.float32)
    return taken


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
    return round_cosines(cosines, queries, references, query_rows, reference_rows)


def score_matrix(queries: Float32, references: Float32) -> Float64:
    """Score every pair: float64 (q, n), for stored float32 vectors (q, d) and (n, d).

    Needs, beside the result, a few megabytes and the references in float64.
    """
    scores = np.empty((len(queries), len(references)), np.float64)
    columns = _to_unit_float64(references).T
    step = max(1, MATRIX_BLOCK_PAIRS // max(1, len(references)))
    for start in range(0, len(queries), step):
        rows = queries[start : start + step]
        cosines = _to_unit_float64(rows) @ columns
        query_rows, reference_rows = (index.ravel() for index in np.indices(cosines.shape))
        flat = round_cosines(cosines.ravel(), rows, references, query_rows, reference_rows)
        scores[start : start + step] = flat.reshape(cosines.shape)
    return scores


def _to_unit_float64(vectors: Float32) -> Float64:
    wide = vectors.astype(np.float64)
    wide /= np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    return wide


def round_cosines(
    cosines: Float64,
    queries: Float32,
    references: Float32,
    query_rows: Int64,
    reference_rows: Int64,
) -> Float64:
    """Round float64 `cosines` (p,) of the given pairs of rows to scores (p,).

    Overwrites `cosines`. Where a cosine is within `TIE_WINDOW` of the middle of two scores, the
    vectors of its pair decide, with integers.
    """
    cosines *= SCALE
    undecided = np.flatnonzero(np.abs(cosines - np.floor(cosines) - 0.5) < TIE_WINDOW)
    scores = np.rint(cosines)
    for pair in undecided.tolist():
        scores[pair] = _round_exactly(
            queries[query_rows[pair]], references[reference_rows[pair]], float(cosines[pair])
        )
    scores /= SCALE
    scores += 0.0  # -0.0 becomes 0.0
    return scores


def _round_exactly(x: Float32, y: Float32, near: float) -> int:
    """Round SCALE * cosine(x, y) half to even, given that it is close to `near` = m + 1/2.

    Every float32 is an integer multiple of 2^-149, so all sums below are exact integers; the common
    factor cancels in the cosine.
    """
    below = int(np.floor(near))
    a = [int(value) for value in (x.astype(np.float64) * 2.0**149).tolist()]
    b = [int(value) for value in (y.astype(np.float64) * 2.0**149).tolist()]
    product = sum(i * j for i, j in zip(a, b, strict=True))
    squares = sum(i * i for i in a) * sum(j * j for j in b)
    # Compare SCALE * product / sqrt(squares) with (2 * below + 1) / 2: both squared, signs kept.
    left = 2 * int(SCALE) * product
    right = 2 * below + 1
    difference = left * abs(left) - right * abs(right) * squares
    if difference == 0:
        return below + below % 2
    return below + 1 if difference > 0 else below


# -- the candidates of a search ----------------------------------------------------------------

# Gathering the vectors of one pair costs a hundred times what the pair costs in a product of
# matrices, whose cost grows with the dimension. If more than this share of all pairs, times the
# dimension, are candidates, multiplying all of them is faster.
DENSE_SHARE = 1e-5
# Pairs, and references of one query, that are gathered at once: few enough to stay in the cache.
GATHERED_PAIRS = 1 << 7
GATHERED_REFERENCES = 1 << 8


@dataclass(frozen=True, slots=True)
class CandidateScorer:
    """Scores candidate pairs exactly and keeps those at or above the threshold of their query.

    `queries` (q, d) and `references` (n, d): unit float32. `alive`: (n,), False for a removed
    reference, which is skipped; None if there is none. `thresholds`: float64 (q,); a search for the
    k best raises them while it runs.
    """

    queries: Float32
    references: Float32
    alive: Bool | None
    thresholds: Float64

    def score(self, query_rows: Int64, reference_rows: Int64) -> Pairs:
        """Score all given pairs (p,): for candidates of which most reach their threshold."""
        if self.alive is not None:
            alive = self.alive[reference_rows]
            query_rows, reference_rows = query_rows[alive], reference_rows[alive]
        scores = score_pairs(self.queries, self.references, query_rows, reference_rows)
        pairs = Pairs(query_rows, reference_rows, scores)
        return pairs.take(scores >= self.thresholds[query_rows])

    def filter_and_score(self, query_rows: Int64, reference_rows: Int64) -> Pairs:
        """Score those of the given pairs (p,) whose float32 product is high enough."""
        cutoffs = self.thresholds - product_margin(self.queries.shape[1])
        passed = [np.empty(0, np.int64)]
        for start in range(0, len(query_rows), GATHERED_PAIRS):
            rows = query_rows[start : start + GATHERED_PAIRS]
            x = take_rows(self.queries, rows)
            y = take_rows(self.references, reference_rows[start : start + GATHERED_PAIRS])
            passed.append(start + np.flatnonzero(np.vecdot(x, y) > cutoffs[rows]))
        kept = np.concatenate(passed)
        return self.score(query_rows[kept], reference_rows[kept])

    def filter_and_score_one(self, query_row: int, reference_rows: Int64) -> Pairs:
        """Do the same for one query and some references (p,): only references are gathered."""
        x = self.queries[query_row]
        cutoff = self.thresholds[query_row] - product_margin(len(x))
        passed = [np.empty(0, np.int64)]
        for start in range(0, len(reference_rows), GATHERED_REFERENCES):
            y = take_rows(self.references, reference_rows[start : start + GATHERED_REFERENCES])
            passed.append(start + np.flatnonzero(np.vecdot(y, x) > cutoff))
        kept = reference_rows[np.concatenate(passed)]
        return self.score(np.full(len(kept), query_row), kept)

    def score_rectangle(self, queries: slice, references: slice) -> Pairs:
        """Do the same for every pair of two ranges of rows, by one product of matrices."""
        cutoffs = self.thresholds[queries] - product_margin(self.queries.shape[1])
        products = self.queries[queries] @ self.references[references].T
        query_rows, reference_rows = np.nonzero(products > cutoffs[:, None])
        return self.score(query_rows + queries.start, reference_rows + references.start)
