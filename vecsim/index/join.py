"""Every pair of two indexes at or above a threshold, block by block, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index.snapshot import Snapshot
from vecsim.records import Float32, Int64, Pairs

# Queries per block. The first block is small, since nobody knows yet how many pairs a query has;
# the following ones grow for as long as their pairs stay below the limit.
FIRST_BLOCK = 16
LARGEST_BLOCK = 4_096
PAIRS_PER_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Joined:
    """Some pairs by key, in their final order, and the rows of all images in them.

    `query_thumbnails`: WebP files by key, where the queries come from no index.
    """

    pairs: Pairs
    queries: dict[int, ImageRow]
    references: dict[int, ImageRow]
    query_thumbnails: Mapping[int, bytes] = field(default_factory=dict)


def join(
    queries: Snapshot, references: Snapshot, threshold: float, *, since: str | None = None
) -> Iterator[Joined]:
    """Pairs of an image of `queries` with one of `references`, score >= `threshold`.

    Queries come in their order, each one's pairs by falling score, then by reference id as text.
    If both are the same snapshot, each pair comes once, the earlier image as the query, and no
    image with itself. `since` (UTC, ISO 8601): only pairs with an image added then or later.
    """
    for pairs in pairs_above(queries, references, threshold, since=since):
        yield finish(pairs, queries, references)


def pairs_above(
    queries: Snapshot, references: Snapshot, threshold: float, *, since: str | None = None
) -> Iterator[Pairs]:
    """The same pairs, by key, without their rows: queries in their order, never an empty block."""
    itself = queries is references
    recent_queries = queries.keys_since(since) if since is not None else None
    recent_references = references.keys_since(since) if since is not None else None
    size = FIRST_BLOCK
    position = 0
    while position < queries.count:
        keys, vectors = queries.slice(position, position + size)
        position += len(keys)
        after = int(keys[0]) if itself else 0
        if recent_queries is None or recent_references is None:
            pairs = references.range_search(vectors, threshold, after=after)
        else:
            pairs = _recent_pairs(
                references, keys, vectors, threshold, after, recent_queries, recent_references
            )
        pairs = Pairs(keys[pairs.query], pairs.reference, pairs.score)
        if itself:
            pairs = pairs.take(pairs.reference > pairs.query)
        size = _next_size(size, len(pairs))
        if len(pairs):
            yield pairs


def finish(pairs: Pairs, queries: Snapshot | None, references: Snapshot) -> Joined:
    """Put `pairs` (by key) in their final order and look up the rows of their images."""
    reference_rows = references.rows(_distinct(pairs.reference).tolist())
    query_rows = queries.rows(_distinct(pairs.query).tolist()) if queries else {}
    order = np.lexsort((_text_ranks(pairs.reference, reference_rows), -pairs.score, pairs.query))
    return Joined(pairs.take(order), query_rows, reference_rows)


def first_of_each(pairs: Pairs, count: int = 1) -> Pairs:
    """The first `count` pairs of each query; `pairs` in their final order."""
    starts = np.searchsorted(pairs.query, pairs.query, side="left")
    return pairs.take(np.arange(len(pairs)) - starts < count)


def _distinct(keys: Int64) -> Int64:
    """`np.unique`, which imports masked arrays to see whether it was given one: a tenth of a second
    before the first answer.
    """
    keys = np.sort(keys)
    distinct: Int64 = keys[np.diff(keys, prepend=-1) != 0]
    return distinct


def _text_ranks(keys: Int64, rows: dict[int, ImageRow]) -> Int64:
    """Numbers that sort like the ids of `keys` do as text."""
    by_id = sorted(rows, key=lambda key: rows[key].ref.id)
    sorted_keys = np.sort(np.array(by_id, np.int64))
    ranks = np.empty(len(by_id), np.int64)
    ranks[np.searchsorted(sorted_keys, by_id)] = np.arange(len(by_id))
    return ranks[np.searchsorted(sorted_keys, keys)]


def _next_size(size: int, pair_count: int) -> int:
    if pair_count > PAIRS_PER_BLOCK:
        return max(1, size // 4)
    return min(LARGEST_BLOCK, size * 4) if pair_count * 4 <= PAIRS_PER_BLOCK else size


def _recent_pairs(
    references: Snapshot,
    keys: Int64,
    vectors: Float32,
    threshold: float,
    after: int,
    recent_queries: Int64,
    recent_references: Int64,
) -> Pairs:
    """New queries against everything, old queries against new references only."""
    new = np.flatnonzero(np.isin(keys, recent_queries, assume_unique=True))
    old = np.flatnonzero(np.isin(keys, recent_queries, assume_unique=True, invert=True))
    parts = []
    for rows, only in ((new, None), (old, recent_references)):
        if len(rows):
            pairs = references.range_search(vectors[rows], threshold, after=after, only=only)
            parts.append(Pairs(rows[pairs.query], pairs.reference, pairs.score))
    return Pairs.concatenate(parts)
