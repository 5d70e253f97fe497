"""Scores the candidates of a search: float32 products discard most, the canonical score decides.

Few candidates are gathered pair by pair. Where a good share of all pairs of some queries and some
references are candidates, the whole matrix of their scores takes less time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vecsim.records import Bool, Float32, Float64, Int64, UInt8
from vecsim.results import Pairs
from vecsim.search.products import aligned
from vecsim.search.score import product_margin, score_matrix, score_pairs, take_rows

# Gathering the vectors of one pair costs a hundred times what the pair costs in a product of
# matrices, whose cost grows with the dimension. If more than this share of all pairs, times the
# dimension, are candidates, multiplying all of them is faster.
DENSE_SHARE = 1e-5
# Of more candidates than this share of all pairs, all pairs are scored as a matrix. Preparing a
# vector for that takes as long as so many pairs of a matrix.
MATRIX_SHARE = 0.03
PREPARED_AS_PAIRS = 20
# Of a sample, so large a share leaves no doubt.
CLEARLY_DENSE = 0.1
SAMPLED_ROWS = 8
MIN_MATRIX_PAIRS = 512  # fewer pairs are scored one by one, wherever they are
# Rows of either side that are scored as one matrix.
MATRIX_ROWS = 1024
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
        pairs = Pairs(query_rows, reference_rows, self._scores(query_rows, reference_rows))
        return pairs.take(pairs.score >= self.thresholds[query_rows])

    def _scores(self, query_rows: Int64, reference_rows: Int64) -> Float64:
        """Return the scores of pairs (p,): one by one, or from a matrix where they are dense."""
        count = len(query_rows)
        if count < MIN_MATRIX_PAIRS:
            return score_pairs(self.queries, self.references, query_rows, reference_rows)
        some_queries, query_places = _distinct(query_rows)
        some_references, reference_places = _distinct(reference_rows)
        if not _is_dense(count, len(some_queries), len(some_references)):
            return score_pairs(self.queries, self.references, query_rows, reference_rows)
        scores = np.empty(count, np.float64)
        tiles = query_places // MATRIX_ROWS * len(some_references) + reference_places // MATRIX_ROWS
        order = np.argsort(tiles, kind="stable")
        bounds = np.flatnonzero(np.diff(tiles[order], prepend=-1, append=-1)).tolist()
        for start, stop in pairwise(bounds):
            at = order[start:stop]
            top = int(query_places[at[0]]) // MATRIX_ROWS * MATRIX_ROWS
            left = int(reference_places[at[0]]) // MATRIX_ROWS * MATRIX_ROWS
            x = take_rows(self.queries, some_queries[top : top + MATRIX_ROWS])
            y = take_rows(self.references, some_references[left : left + MATRIX_ROWS])
            matrix = score_matrix(x, y)
            scores[at] = matrix[query_places[at] - top, reference_places[at] - left]
        return scores

    def filter_and_score(self, query_rows: Int64, reference_rows: Int64) -> Pairs:
        """Score those of the given pairs (p,) whose float32 product is high enough."""
        dim = self.queries.shape[1]
        cutoffs = self.thresholds - product_margin(dim)
        passed = [np.empty(0, np.int64)]
        count = min(GATHERED_PAIRS, len(query_rows))
        x, y = np.empty((count, 4 * dim), np.uint8), np.empty((count, 4 * dim), np.uint8)
        queries, references = _as_bytes(self.queries), _as_bytes(self.references)
        for start in range(0, len(query_rows), GATHERED_PAIRS):
            rows = query_rows[start : start + GATHERED_PAIRS]
            # Into the same memory each time; any mode but "raise" does without a copy of it.
            queries.take(rows, 0, x[: len(rows)], "clip")
            references.take(
                reference_rows[start : start + GATHERED_PAIRS], 0, y[: len(rows)], "clip"
            )
            products = np.vecdot(x.view(np.float32), y.view(np.float32))[: len(rows)]
            passed.append(start + np.flatnonzero(products > cutoffs[rows]))
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

    def score_rectangle(self, query_rows: Int64, references: slice) -> Pairs:
        """Do the same for every pair of `query_rows` (m,) and a range of references.

        Products of matrices find the candidates, or the scores themselves where most are.
        """
        cutoffs = self.thresholds[query_rows] - product_margin(self.queries.shape[1])
        found = []
        for top in range(0, len(query_rows), MATRIX_ROWS):
            rows = query_rows[top : top + MATRIX_ROWS]
            x = take_rows(self.queries, rows)
            step = max(MATRIX_ROWS, MATRIX_ROWS * MATRIX_ROWS // len(rows))
            for left in range(references.start, min(references.stop, len(self.references)), step):
                # Of a mapped file, whose vectors are not aligned: BLAS takes none that are not.
                y = aligned(self.references[left : min(left + step, references.stop)])
                candidates = _dense_or_candidates(x, y, cutoffs[top : top + MATRIX_ROWS])
                if candidates is None:
                    found.append(self._score_block(rows, left, score_matrix(x, y)))
                else:
                    ones, twos = np.nonzero(candidates)
                    found.append(self.score(rows[ones], twos + left))
        return Pairs.concatenate(found)

    def _score_block(self, query_rows: Int64, left: int, scores: Float64) -> Pairs:
        """Return the pairs of a matrix of scores (m, n), with references from row `left` on."""
        reached = scores >= self.thresholds[query_rows, None]
        if self.alive is not None:
            reached &= self.alive[left : left + scores.shape[1]]
        return dense_pairs(reached, scores, query_rows, left)


def dense_pairs(reached: Bool, scores: Float64, query_rows: Int64, left: int) -> Pairs:
    """Return the pairs of a matrix that `reached` (m, n) marks: faster than `np.nonzero` for many.

    `query_rows` (m,): of its rows. `left`: the reference of its first column. `scores` (m, n) may
    become a part of the result.
    """
    counts = np.count_nonzero(reached, axis=1)
    references = np.flatnonzero(reached)
    flat = scores.reshape(-1)
    kept = flat if len(references) == len(flat) else flat.take(references)
    references -= np.repeat(np.arange(len(reached)) * reached.shape[1] - left, counts)
    return Pairs(np.repeat(query_rows, counts), references, kept)


def _dense_or_candidates(x: Float32, y: Float32, cutoffs: Float64) -> Bool | None:
    """Tell which pairs have products above `cutoffs` (m,): (m, n); None where most do.

    Where a few rows show already that a matrix of scores is faster, the others are not multiplied.
    """
    sample = sampled_rows(len(x))
    if len(sample) < len(x) and np.mean(x[sample] @ y.T > cutoffs[sample, None]) > CLEARLY_DENSE:
        return None
    candidates: Bool = x @ y.T > cutoffs[:, None]
    return None if _is_dense(int(np.count_nonzero(candidates)), *candidates.shape) else candidates


def sampled_rows(count: int) -> Int64:
    """Return up to `SAMPLED_ROWS` rows of `count`, evenly spread, ascending."""
    return np.linspace(0, count, min(count, SAMPLED_ROWS), endpoint=False).astype(np.int64)


def _as_bytes(vectors: Float32) -> UInt8:
    """Return vectors (n, d) as bytes (n, 4 d), which are aligned wherever they begin."""
    if not vectors.flags.c_contiguous:
        vectors = np.ascontiguousarray(vectors)
    return vectors.view(np.uint8)


def _is_dense(count: int, query_count: int, reference_count: int) -> bool:
    """Tell whether a matrix scores `count` of so many queries and references faster."""
    size = (query_count + PREPARED_AS_PAIRS) * (reference_count + PREPARED_AS_PAIRS)
    return count > MATRIX_SHARE * size


def _distinct(rows: Int64) -> tuple[Int64, Int64]:
    """Return the distinct `rows` (p,), ascending, and the place of each row among them (p,)."""
    first = int(rows.min())
    present = np.zeros(int(rows.max()) - first + 1, bool)
    present[rows - first] = True
    places = np.cumsum(present) - 1
    return np.flatnonzero(present) + first, places[rows - first]
