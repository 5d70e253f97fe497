"""Clusters of similar images: the connected components of the exact matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.join import LocalSearcher, join
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.requests import Keep, SearchRequest, check_choice
from vecsim.records import Cluster, Float64, Int64
from vecsim.search.score import score_pairs

_FIRST: dict[str, Callable[[ImageRow], tuple[object, ...]]] = {
    "largest": lambda row: (-row.facts.width * row.facts.height, -row.facts.byte_count, row.key),
    "oldest": lambda row: (row.key,),  # keys are given out in order
    "first": lambda row: (row.ref.id,),
}

_ROWS = 4_096


def clusters(
    snapshot: Snapshot, request: SearchRequest, *, keep: str = "largest"
) -> Iterator[Cluster]:
    """Yield each cluster of two or more images, in the order of their images.

    Two images are in one cluster if a chain of matches with score >= `request.threshold` connects
    them; their own score may be lower. The matches are not kept: memory grows with the number of
    images (a few dozen bytes each) and with the largest cluster. Raises `UsageError`.
    """
    check_choice("keep", keep, get_args(Keep))
    limit = threshold_of(snapshot, request.threshold)
    return _clusters(snapshot, limit, keep)


def _clusters(snapshot: Snapshot, limit: float, keep: str) -> Iterator[Cluster]:
    keys = snapshot.keys()
    labels = _components(snapshot, limit, keys)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    groups = [
        order[start:stop]
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        if stop - start > 1
    ]
    for positions in sorted(groups, key=lambda group: int(group[0])):
        yield _cluster(snapshot, keys[positions], keep)


def _components(snapshot: Snapshot, limit: float, keys: Int64) -> Int64:
    """Return the number of each image's cluster: int64 (n,). Each block of matches merges some."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    labels = np.arange(len(keys))
    count = len(keys)
    for block in join(snapshot, snapshot, LocalSearcher(snapshot, limit)):
        one, two = (
            labels[np.searchsorted(keys, side)]
            for side in (block.pairs.query, block.pairs.reference)
        )
        edges = coo_array((np.ones(len(one), bool), (one, two)), shape=(count, count))
        count, merged = connected_components(edges, directed=False)
        labels = merged.astype(np.int64)[labels]
    return labels


def _cluster(snapshot: Snapshot, keys: Int64, keep: str) -> Cluster:
    """Make the record of one cluster: the image to keep first, then by falling score with it."""
    rows = snapshot.rows(keys.tolist())
    kept = min(rows.values(), key=_FIRST[keep])
    others = keys[keys != kept.key]
    scores = dict(zip(others.tolist(), _scores(snapshot, kept.key, others).tolist(), strict=True))
    ordered = sorted(rows.values(), key=lambda row: (-scores.get(row.key, 2.0), row.ref.id))
    return Cluster(
        tuple(row.ref for row in ordered),
        tuple(row.facts for row in ordered),
        tuple(scores.get(row.key, 1.0) for row in ordered),
        tuple(row.key for row in ordered),
    )


def _scores(snapshot: Snapshot, kept: int, others: Int64) -> Float64:
    """Score `others` with the kept image: float64 (n,), a few thousand vectors at a time."""
    one = snapshot.vectors_of(np.array([kept]))
    parts = []
    for start in range(0, len(others), _ROWS):
        some = snapshot.vectors_of(others[start : start + _ROWS])
        rows = np.arange(len(some))
        parts.append(score_pairs(one, some, np.zeros_like(rows), rows))
    return np.concatenate(parts)
