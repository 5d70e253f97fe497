"""The one score that vecsim prints, stores and compares.

The score of two stored vectors is their exact cosine (norms included) rounded half to even to six
decimals. It is computed in float64; where float64 cannot tell which way to round, it is decided
with whole numbers, so that every machine, BLAS and summation order gives the same score.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vecsim.errors import UsageError, VectorError
from vecsim.records import Float32, Float64, Int64

SCALE = 1e6  # scores have six decimals
# A float64 inner product of d terms is off by at most d * 2^-53 times the norms, in any order of
# summation; with the two norms, 1e6 * cosine is off by less than this up to d = 40,000.
UNSURE = 1e-5
HALF_UNIT = 0.5 / SCALE
FLOAT32_UNIT = 2.0**-24  # relative error of one float32 rounding
MATRIX_BLOCK_PAIRS = 1 << 20  # pairs of the full matrix that are scored at once
BLOCK_VALUES = 1 << 16  # values of a block that is worked on at once: half a megabyte of float64
ROWS_NAMED = 5  # how many bad rows an error message lists


def check_threshold(value: float) -> float:
    """`value` as a float, if it can be a threshold.

    Raises UsageError unless it is a number in [-1, 1].
    """
    try:
        threshold = float(value)
    except (TypeError, ValueError):
        threshold = float("nan")
    if not -1.0 <= threshold <= 1.0:
        raise UsageError(
            f"threshold {value!r} is not between -1 and 1: scores are cosines. Use 1 for identical "
            "images only, about 0.85 for alike ones, -1 for every pair."
        )
    return threshold


def normalise(vectors: npt.ArrayLike) -> Float32:
    """Unit vectors: `vectors` (n, d) of any real dtype divided by their norms, as float32 (n, d).

    Computed in float64 and rounded once. Raises VectorError naming the rows that have no direction
    (zero or not finite), or if `vectors` is not a two-dimensional array of numbers.
    """
    try:
        given = np.asarray(vectors)
        numeric = given.dtype.kind in "fiu"
    except ValueError:  # rows of different lengths
        numeric = False
    if not numeric:
        raise VectorError("vectors must be an array of real numbers, one row a vector")
    if given.ndim != 2:
        raise VectorError(
            f"vectors must have two dimensions (count, length), not shape {given.shape}; "
            "for a single vector pass vector[None, :]"
        )
    unit = np.empty(given.shape, np.float32)
    bad: list[int] = []
    step = max(1, BLOCK_VALUES // max(1, given.shape[1]))
    for start in range(0, len(given), step):
        block = given[start : start + step].astype(np.float64)
        largest = np.abs(block).max(axis=1, initial=0.0)
        fine = (largest > 0) & np.isfinite(largest)
        bad.extend((start + np.flatnonzero(~fine)).tolist())
        largest[~fine] = 1.0
        block /= largest[:, None]  # so that squares neither overflow nor vanish
        block[~fine] = 1.0
        block /= np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        unit[start : start + step] = block
    if bad:
        shown = ", ".join(map(str, bad[:ROWS_NAMED])) + (", …" if len(bad) > ROWS_NAMED else "")
        raise VectorError(
            f"{len(bad)} of {len(given)} vectors have no direction (zero or not finite): "
            f"rows {shown}, counted from 0. Leave them out."
        )
    return unit


def margin(dim: int) -> float:
    """How far below a threshold float32 products must be searched so that no pair is missed.

    It holds half a unit of the score's rounding, the error bound of a float32 inner product of
    `dim` terms in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1), and the rounding to float32 of both vectors' norms and of the threshold.
    For two vectors from `normalise`: score >= threshold implies product > threshold - margin.
    """
    return HALF_UNIT + 1.01 * (dim + 8) * FLOAT32_UNIT


def gather(vectors: Float32, rows: Int64) -> Float32:
    """`vectors[rows]` (p, d), aligned, without touching the other rows.

    A segment's vectors lie in the file where FAISS put them, at odd addresses, and NumPy copies an
    unaligned array as a whole to take a few rows of it. Bytes are aligned anywhere.
    """
    if vectors.flags.aligned:
        return vectors.take(rows, axis=0)
    taken: Float32 = vectors.view(np.uint8).take(rows, axis=0).view(np.float32)
    return taken


def score_pairs(
    queries: Float32, references: Float32, query_rows: Int64, reference_rows: Int64
) -> Float64:
    """The scores of pairs of rows: (p,) float64, for `query_rows` and `reference_rows` (p,).

    `queries` (q, d) and `references` (n, d) are stored float32 vectors, none of them zero.
    Works in blocks: beside the result it needs a few megabytes.
    """
    cosines = np.empty(len(query_rows), np.float64)
    step = max(1, BLOCK_VALUES // max(1, queries.shape[1]))
    for start in range(0, len(query_rows), step):
        part = slice(start, start + step)
        x = gather(queries, query_rows[part]).astype(np.float64)
        y = gather(references, reference_rows[part]).astype(np.float64)
        squares = np.vecdot(x, x) * np.vecdot(y, y)
        cosines[part] = np.vecdot(x, y) / np.sqrt(squares)
    return round_cosines(cosines, queries, references, query_rows, reference_rows)


def score_matrix(queries: Float32, references: Float32) -> Float64:
    """Score every pair: (q, n) float64, for stored vectors (q, d) and (n, d) float32.

    Beside the result it needs a few megabytes and the references in float64.
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
    """Scores (p,) from float64 cosines (p,), which are not kept.

    Where a cosine is too near to half a unit to be rounded, its pair of rows decides exactly.
    """
    cosines *= SCALE
    unsure = np.flatnonzero(np.abs(cosines - np.floor(cosines) - 0.5) < UNSURE)
    scores = np.rint(cosines)
    for pair in unsure.tolist():
        scores[pair] = _exact_units(
            queries[query_rows[pair]], references[reference_rows[pair]], float(cosines[pair])
        )
    scores /= SCALE
    scores += 0.0  # -0.0 becomes 0.0
    return scores


def _exact_units(x: Float32, y: Float32, near: float) -> int:
    """1e6 * cosine(x, y) rounded half to even, given that it lies close to `near` = m + 1/2.

    Every float32 is a whole multiple of 2^-149, so all sums below are exact whole numbers.
    """
    below = int(np.floor(near))
    a = [int(value) for value in (x.astype(np.float64) * 2.0**149).tolist()]
    b = [int(value) for value in (y.astype(np.float64) * 2.0**149).tolist()]
    product = sum(i * j for i, j in zip(a, b, strict=True))
    squares = sum(i * i for i in a) * sum(j * j for j in b)
    # Compare 1e6 * product / sqrt(squares) with (2 * below + 1) / 2, both sides squared with sign.
    left = 2 * int(SCALE) * product
    right = 2 * below + 1
    difference = left * abs(left) - right * abs(right) * squares
    if difference == 0:
        return below + below % 2
    return below + 1 if difference > 0 else below
