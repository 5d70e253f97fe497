"""Every pair of two indexes at or above a threshold, block by block, in a fixed order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

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
class MatchBlock:
    """Some pairs by key, in their final order, and the rows of all images in them.

    `query_thumbnails`: WebP files by key, where the queries come from no index.
    """

    pairs: Pairs
    queries: dict[int, ImageRow]
    references: dict[int, ImageRow]
    query_thumbnails: Mapping[int, bytes] = field(default_factory=dict)


class Searcher(Protocol):
    """Where blocks of queries are searched in one snapshot, at one threshold."""

    @property
    def max_pending(self) -> int:
        """How many blocks may be under way at once."""

    @property
    def max_block_size(self) -> int:
        """How many queries a block has at most."""

    def submit(self, queries: Float32, after: int, only: Int64 | None) -> Callable[[], Pairs]:
        """Begin a `Snapshot.range_search`; what is returned gives its result."""


class LocalSearcher:
    """Searches in this thread, when the result is asked for."""

    max_pending = 1
    max_block_size = LARGEST_BLOCK

    def __init__(self, references: Snapshot, threshold: float) -> None:
        self._references = references
        self._threshold = threshold

    def submit(self, queries: Float32, after: int, only: Int64 | None) -> Callable[[], Pairs]:
        """Put the search off until its result is asked for."""
        return lambda: self._references.range_search(
            queries, self._threshold, after=after, only=only
        )


def join(
    queries: Snapshot,
    references: Snapshot,
    searcher: Searcher,
    *,
    since: str | None = None,
    watch: Callable[[int], None] = lambda done: None,
) -> Iterator[MatchBlock]:
    """Pairs of an image of `queries` with one of `references` that `searcher` finds.

    Queries come in their order, each one's pairs by falling score, then by reference id as text.
    If both are the same snapshot, each pair comes once, the earlier image as the query, and no
    image with itself. `since` (UTC, ISO 8601): only pairs with an image added then or later.
    How the queries are cut into blocks, and when a block is done, changes nothing in the result.
    `watch` is called with the number of queries that are done, whenever some are.
    """
    for pairs in join_pairs(queries, references, searcher, since=since, watch=watch):
        yield sorted_with_rows(pairs, queries, references)


def join_pairs(
    queries: Snapshot,
    references: Snapshot,
    searcher: Searcher,
    *,
    since: str | None = None,
    watch: Callable[[int], None] = lambda done: None,
) -> Iterator[Pairs]:
    """The same pairs, by key, without their rows: queries in their order, never an empty block."""
    itself = queries is references
    recent_queries = queries.keys_since(since) if since is not None else None
    recent_references = references.keys_since(since) if since is not None else None
    size = FIRST_BLOCK
    max_pending = 1
    position = done = 0
    under_way: deque[tuple[Int64, Callable[[], Pairs]]] = deque()
    while position < queries.count or under_way:
        while position < queries.count and len(under_way) < max_pending:
            keys, vectors = queries.slice(position, position + size)
            position += len(keys)
            after = int(keys[0]) if itself else 0
            if recent_queries is None or recent_references is None:
                found = searcher.submit(vectors, after, None)
            else:
                found = _recent_pairs(
                    searcher, keys, vectors, after, recent_queries, recent_references
                )
            under_way.append((keys, found))
        keys, found = under_way.popleft()
        pairs = found()
        pairs = Pairs(keys[pairs.query], pairs.reference, pairs.score)
        if itself:
            pairs = pairs.take(pairs.reference > pairs.query)
        grown = min(searcher.max_block_size, _next_size(size, len(pairs)))
        # Nobody knows yet how much a larger block will find: the first one goes alone.
        max_pending = searcher.max_pending if grown <= size else 1
        size = grown
        done += len(keys)
        watch(done)
        if len(pairs):
            yield pairs


def sorted_with_rows(pairs: Pairs, queries: Snapshot | None, references: Snapshot) -> MatchBlock:
    """Put `pairs` (by key) in their final order and look up the rows of their images."""
    reference_rows = references.rows(_distinct(pairs.reference).tolist())
    query_rows = queries.rows(_distinct(pairs.query).tolist()) if queries else {}
    order = np.lexsort((_text_ranks(pairs.reference, reference_rows), -pairs.score, pairs.query))
    return MatchBlock(pairs.take(order), query_rows, reference_rows)


def first_per_query(pairs: Pairs, count: int = 1) -> Pairs:
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
    searcher: Searcher,
    keys: Int64,
    vectors: Float32,
    after: int,
    recent_queries: Int64,
    recent_references: Int64,
) -> Callable[[], Pairs]:
    """New queries against everything, old queries against new references only."""
    new = np.flatnonzero(np.isin(keys, recent_queries, assume_unique=True))
    old = np.flatnonzero(np.isin(keys, recent_queries, assume_unique=True, invert=True))
    searches = [
        (rows, searcher.submit(vectors[rows], after, only))
        for rows, only in ((new, None), (old, recent_references))
        if len(rows)
    ]

    def found() -> Pairs:
        parts = [(rows, result()) for rows, result in searches]
        return Pairs.concatenate(
            [Pairs(rows[pairs.query], pairs.reference, pairs.score) for rows, pairs in parts]
        )

    return found
