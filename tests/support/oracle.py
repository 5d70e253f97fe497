"""The expected results by brute force: the full cosine matrix in float64, rounded exactly.

Independent of the search on purpose: nothing here is imported from `vecsim.search`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

BAND = 1e-5  # of a unit of 1e-6: far above any error of a float64 cosine


def matrix(queries: np.ndarray, references: np.ndarray, from_score: float = -1.0) -> np.ndarray:
    """Scores of all pairs (q, n): rint(1e6 cos) / 1e6, decided with fractions where it is close.

    The slow decision is skipped far below `from_score`, where a caller does not look.
    """
    q, r = queries.astype(np.float64), references.astype(np.float64)
    cosines = (q @ r.T) / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(r, axis=1)
    scores = np.rint(cosines * 1e6) / 1e6
    close = np.abs(np.mod(cosines * 1e6, 1.0) - 0.5) < BAND
    close &= scores > from_score - 1e-5
    for i, j in np.argwhere(close):
        scores[i, j] = exact_score(queries[i], references[j])
    return scores


def exact_score(x: np.ndarray, y: np.ndarray) -> float:
    """The cosine of two float32 vectors, rounded half to even to six decimals and nowhere else.

    Finds the largest m with m - 1/2 <= 1e6 cos by bisection over whole numbers.
    """
    a, b = [[Fraction(float(v)) for v in vector] for vector in (x, y)]
    product = sum(i * j for i, j in zip(a, b, strict=True))
    squares = sum(i * i for i in a) * sum(j * j for j in b)

    def compare(units: Fraction) -> int:
        """Sign of 1e6 cos - units."""
        left, right = product * 10**6, units
        if (left >= 0) != (right >= 0):
            return 1 if left >= 0 else -1
        difference = left * left - right * right * squares
        sign = (difference > 0) - (difference < 0)
        return sign if left >= 0 else -sign

    low, high = -(10**6) - 1, 10**6 + 1
    while high - low > 1:
        middle = (low + high) // 2
        if compare(Fraction(2 * middle - 1, 2)) >= 0:
            low = middle
        else:
            high = middle
    if compare(Fraction(2 * low - 1, 2)) == 0 and low % 2:  # exactly half: to the even neighbour
        low -= 1
    return low / 1e6


def pairs_above(
    queries: np.ndarray, references: np.ndarray, threshold: float, rows: int = 1000
) -> Iterator[tuple[int, int, float]]:
    """All (query row, reference row, score) with score >= threshold, queries in their order."""
    for start in range(0, len(queries), rows):
        scores = matrix(queries[start : start + rows], references, threshold)
        for i, j in np.argwhere(scores >= threshold):
            yield start + int(i), int(j), float(scores[i, j])


def range_search(
    queries: np.ndarray,
    references: np.ndarray,
    threshold: float,
    alive: np.ndarray | None = None,
    first: int = 0,
) -> list[tuple[int, int, float]]:
    """The answer of a range search: sorted by query, falling score, reference."""
    found = pairs_above(queries, references, threshold)
    fine = [p for p in found if p[1] >= first and (alive is None or alive[p[1]])]
    return sorted(fine, key=lambda p: (p[0], -p[2], p[1]))


def top_k(
    queries: np.ndarray, references: np.ndarray, k: int, alive: np.ndarray | None = None
) -> list[tuple[int, int, float]]:
    """Each query's k best and all that tie with the k-th."""
    found = []
    for query, row in enumerate(matrix(queries, references)):
        left = [j for j in range(len(references)) if alive is None or alive[j]]
        best = sorted(left, key=lambda j: (-row[j], j))
        if len(best) > k:
            best = [j for j in best if row[j] >= row[best[k - 1]]]
        found.extend((query, j, float(row[j])) for j in best)
    return found
