"""Similarity join: every pair of two indexes at or above a threshold, in a fixed order.

Queries are searched in blocks, so that a result of any size takes little memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index.snapshot import Snapshot
from vecsim.orientations import AS_IT_IS
from vecsim.records import Float32, Int64, Pairs
from vecsim.search.orientations import OrientedQueries, best_orientations, turned_references

# Queries per block. The first block is small, since it is not known yet how many pairs a query
# has; later blocks grow as long as their pairs stay below the limit.
FIRST_BLOCK = 16
LARGEST_BLOCK = 4_096
PAIRS_PER_BLOCK = 1 << 20

# Called without arguments: waits for a search and returns its pairs.
PendingPairs: TypeAlias = Callable[[], Pairs]


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
    """Searches blocks of queries in one snapshot, at one threshold."""

    @property
    def max_pending(self) -> int:
        """How many blocks may be in progress at once."""

    @property
    def max_block_size(self) -> int:
        """How many queries a block has at most."""

    def submit(
        self, queries: Float32, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> PendingPairs:
        """Start a `Snapshot.range_search` with these arguments."""


class LocalSearcher:
    """Searches in the calling thread, when the result is asked for."""

    max_pending = 1
    max_block_size = LARGEST_BLOCK

    def __init__(self, references: Snapshot, threshold: float) -> None:
        self._references = references
        self._threshold = threshold

    def submit(
        self, queries: Float32, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> PendingPairs:
        """Return a function that searches when it is called."""
        return lambda: self._references.range_search(
            queries, self._threshold, after=after, only=only, code=code
        )


def join(
    queries: Snapshot,
    references: Snapshot,
    searcher: Searcher,
    *,
    codes: Sequence[int] = (AS_IT_IS,),
    since: str | None = None,
    recent: tuple[Int64, Int64] | None = None,
    watch: Callable[[int], None] = lambda done: None,
) -> Iterator[MatchBlock]:
    """Yield the pairs of an image of `queries` with one of `references` that `searcher` finds.

    Queries come in their order, each one's pairs by falling score, then by reference id as text.
    If both are the same snapshot, each pair comes once, the earlier image as the query, and no
    image is paired with itself. `codes`: the orientations of queries that are compared, as far as
    they are stored; in a match of a set with itself, those of either image of a pair are.
    `since` (UTC, ISO 8601): only pairs with an image added then or
    later; `recent`: only pairs with one of these keys, ascending, of queries or references.
    Neither the cut into blocks nor the order in which they end changes the result.
    `watch` is called with the number of queries done, after each block.
    """
    if since is not None:
        recent = (queries.keys_since(since), references.keys_since(since))
    sides = _Sides(queries, references, searcher, tuple(codes))
    for pairs in _unsorted_blocks(sides, recent, watch):
        yield sorted_with_rows(pairs, queries, references)


def join_pairs(
    queries: Snapshot,
    references: Snapshot,
    searcher: Searcher,
    codes: Sequence[int] = (AS_IT_IS,),
) -> Iterator[Pairs]:
    """Yield the same pairs, by key, without looking up their rows; never an empty block.

    Queries come in their order block by block; within a block the pairs are sorted by segment of
    the reference, query, falling score and reference key.
    """
    first_keys = np.array([segment.keys[0] for segment in references.segments], np.int64)
    sides = _Sides(queries, references, searcher, tuple(codes))
    for pairs in _unsorted_blocks(sides):
        segment = np.searchsorted(first_keys, pairs.reference, side="right")
        yield pairs.take(np.lexsort((pairs.reference, -pairs.score, pairs.query, segment)))


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is joined: both sides, how the references are searched, and in which orientations."""

    queries: Snapshot
    references: Snapshot
    searcher: Searcher
    codes: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether a set is matched with itself."""
        return self.queries is self.references

    @property
    def max_block_size(self) -> int:
        """How many queries a block has at most."""
        return max(1, self.searcher.max_block_size // len(self.codes))

    def submit(self, keys: Int64, vectors: Float32, after: int, only: Int64 | None) -> PendingPairs:
        """Start to search queries in all orientations; see `Searcher.submit`.

        `keys` (q,) and `vectors` (q, dim): of the queries.
        """
        if len(self.codes) == 1:
            return self.searcher.submit(vectors, after, only)
        others = {code: self.queries.turned_of(keys, code) for code in self.codes[1:]}
        oriented = OrientedQueries.of(vectors, others)
        found = self.searcher.submit(oriented.vectors, after, only)
        turned = {
            code: self.searcher.submit(vectors, after, only, code)
            for code in (self.codes[1:] if self.same else ())
        }

        def wait() -> Pairs:
            parts = [oriented.named(found())]
            parts += [turned_references(pairs(), code) for code, pairs in turned.items()]
            return best_orientations(Pairs.concatenate(parts))

        return wait


def neighbours(snapshot: Snapshot, searcher: Searcher, keys: Int64, codes: Sequence[int]) -> Pairs:
    """Return all pairs of the images `keys` (ascending) with images of their own set, by key.

    Scored as in a match of the set with itself in the orientations `codes`; each image is also
    found itself.
    """
    sides = _Sides(snapshot, snapshot, searcher, tuple(codes))
    pairs = sides.submit(keys, snapshot.vectors_of(keys), 0, None)()
    return replace(pairs, query=keys[pairs.query])


def _unsorted_blocks(
    sides: _Sides,
    recent: tuple[Int64, Int64] | None = None,
    watch: Callable[[int], None] = lambda done: None,
) -> Iterator[Pairs]:
    """Yield the pairs by key, queries in their order block by block; never an empty block."""
    queries, searcher, same = sides.queries, sides.searcher, sides.same
    size = FIRST_BLOCK
    max_pending = 1
    position = done = 0
    pending: deque[tuple[Int64, PendingPairs]] = deque()
    while position < queries.count or pending:
        while position < queries.count and len(pending) < max_pending:
            keys, vectors = queries.slice(position, position + size)
            position += len(keys)
            after = int(keys[0]) if same else 0
            if recent is None:
                pending.append((keys, sides.submit(keys, vectors, after, None)))
            else:
                pending.append((keys, _submit_recent(sides, keys, vectors, after, recent)))
        keys, wait = pending.popleft()
        pairs = wait()
        pairs = replace(pairs, query=keys[pairs.query])
        if same:
            pairs = pairs.take(pairs.reference > pairs.query)
        next_size = min(sides.max_block_size, _next_size(size, len(pairs)))
        # How many pairs a larger block finds is not known yet: the first one runs alone.
        max_pending = searcher.max_pending if next_size <= size else 1
        size = next_size
        done += len(keys)
        watch(done)
        if len(pairs):
            yield pairs


def _next_size(size: int, pair_count: int) -> int:
    """Return how many queries the block after one of `size` with `pair_count` pairs gets."""
    if pair_count > PAIRS_PER_BLOCK:
        return max(1, size // 4)
    return min(LARGEST_BLOCK, size * 4) if pair_count * 4 <= PAIRS_PER_BLOCK else size


def _submit_recent(
    sides: _Sides, keys: Int64, vectors: Float32, after: int, recent: tuple[Int64, Int64]
) -> PendingPairs:
    """Search new queries among all references, and old queries among new references only.

    `keys` (q,) and `vectors` (q, dim): of the queries. `recent`: keys of the new queries and of the
    new references, ascending.
    """
    recent_queries, recent_references = recent
    is_new = np.isin(keys, recent_queries, assume_unique=True)
    searches = [
        (rows, sides.submit(keys[rows], vectors[rows], after, only))
        for rows, only in (
            (np.flatnonzero(is_new), None),
            (np.flatnonzero(~is_new), recent_references),
        )
        if len(rows)
    ]

    def wait() -> Pairs:
        parts = [(rows, result()) for rows, result in searches]
        return Pairs.concatenate([replace(pairs, query=rows[pairs.query]) for rows, pairs in parts])

    return wait


def sorted_with_rows(pairs: Pairs, queries: Snapshot | None, references: Snapshot) -> MatchBlock:
    """Put `pairs` (by key) in their final order and look up the rows of their images.

    `queries` is None where the queries come from no index; then the block has no rows for them.
    """
    reference_rows = references.rows(_distinct(pairs.reference).tolist())
    query_rows = queries.rows(_distinct(pairs.query).tolist()) if queries else {}
    order = np.lexsort((_text_ranks(pairs.reference, reference_rows), -pairs.score, pairs.query))
    return MatchBlock(pairs.take(order), query_rows, reference_rows)


def first_per_query(pairs: Pairs, count: int = 1) -> Pairs:
    """Return the first `count` pairs of each query; `pairs` are in their final order."""
    starts = np.searchsorted(pairs.query, pairs.query, side="left")
    return pairs.take(np.arange(len(pairs)) - starts < count)


def _distinct(keys: Int64) -> Int64:
    """Do what `np.unique` does for positive keys.

    `np.unique` imports masked arrays, to check whether it was given one: a tenth of a second before
    the first result.
    """
    keys = np.sort(keys)
    distinct: Int64 = keys[np.diff(keys, prepend=-1) != 0]
    return distinct


def _text_ranks(keys: Int64, rows: dict[int, ImageRow]) -> Int64:
    """Return numbers that sort like the ids of `keys` do as text: int64, one per key."""
    by_id = sorted(rows, key=lambda key: rows[key].ref.id)
    sorted_keys = np.sort(np.array(by_id, np.int64))
    ranks = np.empty(len(by_id), np.int64)
    ranks[np.searchsorted(sorted_keys, by_id)] = np.arange(len(by_id))
    return ranks[np.searchsorted(sorted_keys, keys)]
