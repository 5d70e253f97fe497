"""Survivors of a bound, scored: float32 products sort out most, the canonical score decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vecsim.records import Bool, Float32, Float64, Int64, Pairs
from vecsim.search.score import gather, margin, score_pairs

# A pair looked at for itself costs a hundred times what it costs in a product of matrices, where
# its cost grows with the dimension: from this share of all pairs (times dimension) on, take those.
MANY = 1e-5
AT_ONCE = 1 << 7  # pairs whose vectors are gathered at once: few enough to stay in the cache

AT_ONCE_OF_ONE = 1 << 8


@dataclass(frozen=True, slots=True)
class Check:
    """Tells which pairs of a query row and a living reference row score at least a threshold.

    `thresholds` (q,): one for each query, which may be raised while the search runs.
    """

    queries: Float32
    references: Float32
    alive: Bool | None
    thresholds: Float64

    def __call__(self, query_rows: Int64, reference_rows: Int64) -> Pairs:
        """Those of the given pairs (p,) that count, with their scores."""
        lowered = self.thresholds - margin(self.queries.shape[1])
        near = [np.empty(0, np.int64)]
        for start in range(0, len(query_rows), AT_ONCE):
            rows = query_rows[start : start + AT_ONCE]
            x = gather(self.queries, rows)
            y = gather(self.references, reference_rows[start : start + AT_ONCE])
            near.append(start + np.flatnonzero(np.vecdot(x, y) > lowered[rows]))
        left = np.concatenate(near)
        return self.scored(query_rows[left], reference_rows[left])

    def one(self, query_row: int, reference_rows: Int64) -> Pairs:
        """The same for one query and some references (p,): only they are gathered."""
        x = self.queries[query_row]
        lowered = self.thresholds[query_row] - margin(len(x))
        near = [np.empty(0, np.int64)]
        for start in range(0, len(reference_rows), AT_ONCE_OF_ONE):
            y = gather(self.references, reference_rows[start : start + AT_ONCE_OF_ONE])
            near.append(start + np.flatnonzero(np.vecdot(y, x) > lowered))
        left = reference_rows[np.concatenate(near)]
        return self.scored(np.full(len(left), query_row), left)

    def all(self, queries: slice, references: slice) -> Pairs:
        """The same for every pair of two ranges of rows: one product of matrices.

        What to do where so many survive that looking at each would take longer.
        """
        lowered = self.thresholds[queries] - margin(self.queries.shape[1])
        products = self.queries[queries] @ self.references[references].T
        query_rows, reference_rows = np.nonzero(products > lowered[:, None])
        return self.scored(query_rows + queries.start, reference_rows + references.start)

    def scored(self, query_rows: Int64, reference_rows: Int64) -> Pairs:
        """The same, for pairs of which most count: none is sorted out by its float32 product."""
        if self.alive is not None:
            fine = self.alive[reference_rows]
            query_rows, reference_rows = query_rows[fine], reference_rows[fine]
        scores = score_pairs(self.queries, self.references, query_rows, reference_rows)
        pairs = Pairs(query_rows, reference_rows, scores)
        return pairs.take(scores >= self.thresholds[query_rows])
