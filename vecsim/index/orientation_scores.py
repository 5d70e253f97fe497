"""Scores of given images in several orientations: all pairs of some keys of two snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from vecsim.index.snapshot import Snapshot
from vecsim.orientations import inverse
from vecsim.records import Float64, Int64
from vecsim.search.score import score_matrix

Images: TypeAlias = tuple[Snapshot, Int64]
"""A snapshot and keys of its images, ascending."""


def best_scores(queries: Images, references: Images, codes: Sequence[int]) -> tuple[Float64, Int64]:
    """Score all pairs (q, n) in the orientations `codes`, as far as they are stored.

    Queries are turned; images of one snapshot in both directions, as in a match of a set with
    itself. Returns the largest scores, float64, and the orientation of the query that has each.
    """
    (left, left_keys), (right, right_keys) = queries, references
    as_they_are = right.vectors_of(right_keys)
    scores = score_matrix(left.vectors_of(left_keys), as_they_are)
    best = np.zeros(scores.shape, np.int64)
    for rows, columns, code, found in _turned_scores(queries, references, codes):
        place = np.ix_(rows, columns)
        before, its = scores[place], best[place]
        better = (found > before) | ((found == before) & (code < its))
        scores[place] = np.where(better, found, before)
        best[place] = np.where(better, code, its)
    return scores, best


def _turned_scores(
    queries: Images, references: Images, codes: Sequence[int]
) -> Iterator[tuple[Int64, Int64, int, Float64]]:
    """Yield, for each orientation but 0, rows, columns, the orientation of the query, scores."""
    (left, left_keys), (right, right_keys) = queries, references
    all_rows, all_columns = np.arange(len(left_keys)), np.arange(len(right_keys))
    for code in codes[1:]:
        rows, turned = left.turned_of(left_keys, code)
        if len(rows):
            yield rows, all_columns, code, score_matrix(turned, right.vectors_of(right_keys))
        if left is right:
            columns, turned = right.turned_of(right_keys, code)
            if len(columns):
                found = score_matrix(left.vectors_of(left_keys), turned)
                yield all_rows, columns, inverse(code), found
