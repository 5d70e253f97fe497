"""Searches many queries in tiles: products of a strip of references with all queries of a block.

A task searches one strip. Tasks need nothing of each other, so that all cores are busy until the
last one ends. What a tile holds are upper bounds of cosines: sums of codes (see `sketch`), or
products of vectors in float32 or bfloat16. Pairs whose bound reaches the cutoff of their query are
candidates; a `CandidateScorer` scores them.

Queries are sorted by cutoff, so that those of a group have nearly the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from vecsim.records import Int64
from vecsim.results import Pairs
from vecsim.search.bounds import GROUP, Bounding, strip_width
from vecsim.search.candidates import CandidateScorer
from vecsim.search.products import THREAD_COUNT, thread_pool

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
    strips = _strips(first, len(scorer.references), bounding.strip_width(block.filled))
    return [partial(_search_strip, block, strip) for strip in strips]


def matrix_tasks(scorer: CandidateScorer, first: int = 0) -> list[Task]:
    """Return tasks that do the same by the scores of all pairs: for answers of many pairs."""
    rows = np.arange(len(scorer.queries))
    strips = _strips(first, len(scorer.references), strip_width(len(rows)))
    return [partial(scorer.score_rectangle, rows, strip) for strip in strips]


def _strips(first: int, count: int, width: int) -> Iterator[slice]:
    """Yield the strips of references from row `first` up to `count`."""
    for start in range(first, count, width):
        yield slice(start, min(start + width, count))


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
    height = block.bounding.tile_queries
    found, rows_found, columns_found = [], [], []
    for top in range(0, block.filled, height):
        candidates = strip.candidates(top, cutoffs[top : top + height])
        if candidates is None:
            rows = order[top : top + height]
            found.append(scorer.score_rectangle(rows, references))
        else:
            rows_found.append(order[candidates[0] + top])
            columns_found.append(candidates[1] + references.start)
    if rows_found:
        pairs = np.concatenate(rows_found), np.concatenate(columns_found)
        found.append(scorer.filter_and_score(*pairs))
    return Pairs.concatenate(found)
