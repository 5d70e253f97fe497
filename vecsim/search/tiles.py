"""Searches many queries in tiles: products of a strip of references with all queries of a block.

A task searches one strip. Tasks need nothing of each other, so that all cores are busy until the
last one ends. What a tile holds are upper bounds of cosines: sums of codes (see `sketch`), or
products of vectors in float32 or bfloat16. Pairs whose bound reaches the cutoff of their query are
candidates; a `CandidateScorer` scores them.

Nearly all pairs of a tile are below their cutoffs. The largest bound of `GROUP` queries tells
that for all of them: one pass over the tile, then a fraction of the work. Queries are sorted by
cutoff, so that those of a group have nearly the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import local
from typing import Any, TypeAlias

import numpy as np

from vecsim.records import Bool, Int64
from vecsim.results import Pairs
from vecsim.search.bounds import GROUP, TILE_QUERIES, Bounding, Bounds, Offsets
from vecsim.search.candidates import DENSE_SHARE, CandidateScorer
from vecsim.search.products import THREAD_COUNT, thread_pool

STRIP_REFERENCES = 2048  # at least so many references in a strip, more for few queries
TILE_SIZE = TILE_QUERIES * STRIP_REFERENCES
MAX_STRIP_REFERENCES = 16_384
NEVER = 2**31 - 1  # a cutoff that no bound reaches, as float32 and as int32

Task: TypeAlias = Callable[[], Pairs]


@dataclass(frozen=True, slots=True)
class _Block:
    """The queries of one search, and where the candidates go.

    `order`: rows of the queries by ascending cutoff. `filled`: their number up to a whole group.
    """

    bounding: Bounding
    scorer: CandidateScorer
    order: Int64

    @property
    def filled(self) -> int:
        return -(-len(self.order) // GROUP) * GROUP


def tile_tasks(bounding: Bounding, scorer: CandidateScorer, first: int = 0) -> list[Task]:
    """Return tasks that find all pairs that reach their thresholds, one for each strip.

    Of references from row `first` on. The thresholds of `scorer` may be raised meanwhile.
    """
    order = np.argsort(bounding.cutoffs(scorer.thresholds), kind="stable")
    bounding.arrange(order)
    block = _Block(bounding, scorer, order)
    count = len(scorer.references)
    rows = min(block.filled, TILE_QUERIES)
    width = min(MAX_STRIP_REFERENCES, max(STRIP_REFERENCES, TILE_SIZE // max(1, rows)))
    return [
        partial(_search_strip, block, slice(start, min(start + width, count)))
        for start in range(first, count, width)
    ]


def run_tasks(tasks: Iterable[Task]) -> Iterator[Pairs]:
    """Yield the results of `tasks` in their order, on all cores.

    Few are started ahead, so that thresholds that a result raises count for the next.
    """
    pending: deque[Any] = deque()
    with thread_pool() as pool:
        for task in tasks:
            pending.append(pool.submit(task))
            if len(pending) > THREAD_COUNT:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def run_all(tasks: Sequence[Task]) -> Pairs:
    """Return the results of `tasks` together, found on all cores."""
    if len(tasks) == 1:
        return tasks[0]()
    return Pairs.concatenate(list(run_tasks(tasks)) if tasks else [])


def _search_strip(block: _Block, references: slice) -> Pairs:
    """Search one strip of references for all queries of the block."""
    scorer, order = block.scorer, block.order
    cutoffs = np.full(block.filled, NEVER, block.bounding.dtype)
    cutoffs[: len(order)] = block.bounding.cutoffs(scorer.thresholds)[order]
    strip = block.bounding.strip(references)
    width = references.stop - references.start
    memory = _memory_of_thread(block.bounding.dtype, width * min(block.filled, TILE_QUERIES))
    found, rows_found, columns_found = [], [], []
    for top in range(0, block.filled, TILE_QUERIES):
        part = cutoffs[top : top + TILE_QUERIES]
        bounds, offsets = strip.tile(top, memory)
        candidates = _candidates(bounds, offsets, part, scorer.queries.shape[1])
        if candidates is None:
            rows = order[top : top + TILE_QUERIES]
            found.append(scorer.score_rectangle(rows, references))
        else:
            rows_found.append(order[candidates[0] + top])
            columns_found.append(candidates[1] + references.start)
    if rows_found:
        pairs = np.concatenate(rows_found), np.concatenate(columns_found)
        found.append(scorer.filter_and_score(*pairs))
    return Pairs.concatenate(found)


def _candidates(
    bounds: Bounds, offsets: Offsets | None, cutoffs: Bounds, dim: int
) -> tuple[Int64, Int64] | None:
    """Return where `bounds` (m, n) + `offsets` (n,) reach `cutoffs` (m,): (rows, columns).

    m is a multiple of `GROUP`. Returns None where so many do that all pairs are multiplied faster.
    """
    count, width = bounds.shape
    groups = bounds.reshape(-1, GROUP, width)
    grouped_cutoffs = cutoffs.reshape(-1, GROUP)
    largest = np.maximum.reduce(groups, axis=1)
    if offsets is not None:
        largest += offsets
    reached = largest >= grouped_cutoffs.min(axis=1)[:, None]
    group, column = np.divmod(sparse_flatnonzero(reached.reshape(-1)), max(1, width))
    limit = 2 * DENSE_SHARE * dim * count * width
    if len(group) > limit:
        return None
    places = (group * (GROUP * width) + column)[:, None] + np.arange(GROUP) * width
    some = bounds.reshape(-1).take(places)
    if offsets is not None:
        some += offsets[column][:, None]
    place, row = np.nonzero(some >= grouped_cutoffs[group])
    return (group[place] * GROUP + row, column[place]) if len(place) <= limit else None


_threads = local()


def _memory_of_thread(dtype: type[np.generic], size: int) -> Bounds:
    """Return memory for one tile, which this thread keeps for its next ones."""
    known: Bounds | None = getattr(_threads, "memory", None)
    if known is None or len(known) < size:
        known = _threads.memory = np.empty(max(size, TILE_SIZE), np.int32)
    return known[:size].view(dtype)


def sparse_flatnonzero(mask: Bool) -> Int64:
    """Do what `np.flatnonzero` does, faster for a mask that is nearly all False.

    Eight values are compared at once, as one 64-bit integer.
    """
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    row, place = np.nonzero(mask[:whole].reshape(-1, 8)[words])
    return np.concatenate([words[row] * 8 + place, whole + np.flatnonzero(mask[whole:])])
