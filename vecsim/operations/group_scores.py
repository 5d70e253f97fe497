"""Scores of all pairs of images of a group, for a person who compares them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vecsim.index import Snapshot
from vecsim.search.score import score_pairs

MAX_SCORED = 64
"""Images of a group at most: the number of pairs grows with the square."""


def pair_scores(snapshot: Snapshot, keys: Sequence[int]) -> list[float]:
    """Score all pairs of the images `keys`: the first with each later one, then the second, and on.

    Empty for more than `MAX_SCORED` images.
    """
    if len(keys) > MAX_SCORED:
        return []
    ascending = np.sort(np.array(keys, np.int64))
    vectors = snapshot.vectors_of(ascending)[np.searchsorted(ascending, keys)]
    one, two = np.triu_indices(len(keys), 1)
    scores: list[float] = score_pairs(vectors, vectors, one, two).tolist()
    return scores
