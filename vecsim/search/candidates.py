"""Scores candidate pairs: float32 products discard most of them, the canonical score decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vecsim.records import Bool, Float32, Float64, Int64, Pairs
from vecsim.search.score import product_margin, score_pairs, take_rows

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
