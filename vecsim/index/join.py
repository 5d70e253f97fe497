"""Similarity join: every pair of two indexes at or above a threshold, in a fixed order.

Queries are searched in blocks, so that a result of any size takes little memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vecsim.index.match_blocks import MatchBlock, sorted_with_rows
from vecsim.index.searchers import LARGEST_BLOCK, PendingPairs, Searcher
from vecsim.index.snapshot import Snapshot
from vecsim.orientations import AS_IT_IS
from vecsim.records import Float32, Int64
from vecsim.results import Pairs
from vecsim.search.blocks import QueryVectors, as_queries
from vecsim.search.orientations import OrientedQueries, best_orientations, turned_references
from vecsim.search.products import single_threaded_blas
from vecsim.search.score import take_rows

# Queries per block. The first block is small, since it is not known yet how many pairs a query
# has; later blocks grow as long as their pairs stay below the limit.
FIRST_BLOCK = 16
PAIRS_PER_BLOCK = 1 << 20
# Where a sample shows few pairs, the first block may have more queries, as many as are compared
# with all references in a moment.
SECOND_BLOCK = 2_048
COMPARED_PAIRS = 1 << 28
SAMPLE_QUERIES, SAMPLE_REFERENCES = 128, 1_024
SEEN_PAIRS = 3
# So few pairs are compared at once: there is no time for progress between blocks.
FEW_PAIRS = 1 << 22


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
    size = _first_size(queries, references, searcher.threshold)
    for pairs in _unsorted_blocks(sides, recent, watch, size):
        yield sorted_with_rows(pairs, queries, references)


def join_pairs(
    queries: Snapshot,
    references: Snapshot,
    searcher: Searcher,
    codes: Sequence[int] = (AS_IT_IS,),
    watch: Callable[[int], None] = lambda done: None,
) -> Iterator[Pairs]:
    """Yield the same pairs, by key, without looking up their rows; never an empty block.

    Queries come in their order block by block; within a block the pairs are sorted by segment of
    the reference, query, falling score and reference key.
    """
    first_keys = np.array([segment.keys[0] for segment in references.segments], np.int64)
    sides = _Sides(queries, references, searcher, tuple(codes))
    for pairs in _unsorted_blocks(sides, watch=watch):
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

    def submit(
        self, keys: Int64, queries: QueryVectors, after: int, only: Int64 | None
    ) -> PendingPairs:
        """Start to search queries in all orientations; see `Searcher.submit`.

        `keys` (q,): of the queries.
        """
        if len(self.codes) == 1:
            return self.searcher.submit(queries, after, only)
        vectors = as_queries(queries).vectors
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
    size: int = FIRST_BLOCK,
) -> Iterator[Pairs]:
    """Yield the pairs by key, queries in their order block by block; never an empty block.

    `size`: how many queries the first block has.
    """
    queries, searcher, same = sides.queries, sides.searcher, sides.same
    max_pending = 1 if size == FIRST_BLOCK else searcher.max_pending
    size = min(size, sides.max_block_size)
    position = done = 0
    pending: deque[tuple[Int64, PendingPairs]] = deque()
    try:
        while position < queries.count or pending:
            while position < queries.count and len(pending) < max_pending:
                keys, some = queries.queries(position, position + size)
                position += len(keys)
                after = int(keys[0]) if same else 0
                if recent is None:
                    pending.append((keys, sides.submit(keys, some, after, None)))
                else:
                    wait = _submit_recent(sides, keys, some.vectors, after, recent)
                    pending.append((keys, wait))
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
    finally:
        searcher.close()


def _first_size(queries: Snapshot, references: Snapshot, threshold: float) -> int:
    """Return how many queries the first block gets: many where a sample of pairs has few matches.

    A block of so many queries takes a part of a second, and there are several blocks, so that
    progress is shown between them.
    """
    if queries.count * references.count <= FEW_PAIRS:
        return max(1, queries.count)
    size = max(FIRST_BLOCK, COMPARED_PAIRS // max(1, references.count))
    size = min(SECOND_BLOCK, size, max(FIRST_BLOCK, queries.count // 4))
    some = queries.sample(SAMPLE_QUERIES)
    others = references.sample(SAMPLE_REFERENCES)
    if not some.size or not others.size:
        return FIRST_BLOCK
    # Threads of BLAS would wait for more work while those of the search need the cores.
    with single_threaded_blas():
        share = float(np.mean(some @ others.T >= threshold))
    # A share too small to be seen may be as large as a few pairs of the sample.
    share += SEEN_PAIRS / (len(some) * len(others))
    return size if share * size * references.count <= PAIRS_PER_BLOCK else FIRST_BLOCK


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
        (rows, sides.submit(keys[rows], take_rows(vectors, rows), after, only))
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
