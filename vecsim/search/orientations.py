"""Queries in several orientations, and the score of a pair: that of its best orientation.

The score of a query with orientations and a reference is the largest canonical score of any of
them, so a pair reaches a threshold exactly if one of its orientations does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vecsim.orientations import inverse
from vecsim.records import Float32, Int64
from vecsim.results import Pairs
from vecsim.search.top_k import kth_scores


@dataclass(frozen=True, slots=True)
class OrientedQueries:
    """The orientations of some queries as rows of one matrix.

    `vectors`: float32 (r, dim), unit rows. `query`, `orientation`: int64 (r,), which query each row
    is of, and the code of its orientation.
    """

    vectors: Float32
    query: Int64
    orientation: Int64

    @classmethod
    def of(cls, vectors: Float32, others: Mapping[int, tuple[Int64, Float32]]) -> OrientedQueries:
        """Combine queries as they are, (q, dim), with their other orientations.

        `others`: by code, rows of `vectors` and their vectors in that orientation.
        """
        rows = [np.arange(len(vectors)), *(rows for rows, _ in others.values())]
        codes = [0, *others]
        return cls(
            np.concatenate([vectors, *(turned for _, turned in others.values())]),
            np.concatenate(rows),
            np.repeat(np.array(codes, np.int64), [len(each) for each in rows]),
        )

    def named(self, pairs: Pairs) -> Pairs:
        """Convert pairs whose `query` is a row of `vectors`: to the query and the orientation."""
        rows = pairs.query
        return Pairs(self.query[rows], pairs.reference, pairs.score, self.orientation[rows])


def turned_references(pairs: Pairs, code: int) -> Pairs:
    """Name the orientation of pairs whose references are turned by `code`.

    It is that of the query which shows the same as the reference turned back.
    """
    return replace(pairs, orientation=np.full(len(pairs), inverse(code), np.int64))


def best_orientations(pairs: Pairs) -> Pairs:
    """Return one pair for each query and reference: the one with the highest score.

    Of equal scores, the orientation with the smallest code. Sorted by query, then reference.
    """
    if pairs.orientation is None or not len(pairs):
        return pairs
    order = np.lexsort((pairs.orientation, -pairs.score, pairs.reference, pairs.query))
    pairs = pairs.take(order)
    is_first = np.ones(len(pairs), bool)
    is_first[1:] = (np.diff(pairs.query) != 0) | (np.diff(pairs.reference) != 0)
    return pairs.take(is_first)


def best_k(pairs: Pairs, k: int, query_count: int) -> Pairs:
    """Return each query's `k` best references, and those that tie with the last.

    `pairs`: the `k` best of each orientation of each query, ties included. That is enough: fewer
    than k references score higher in the best orientation of one of the k best, since each of them
    would be better than it.
    """
    best = best_orientations(pairs)
    return best.take(best.score >= kth_scores(best, k, query_count)[best.query])
