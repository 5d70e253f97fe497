"""Plans a search: which level of a sketch is fastest, and how many blocks run at once.

A sample of pairs tells which share of them would survive the bound of a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from vecsim.records import Float64, Int64
from vecsim.search.blocks import Queries
from vecsim.search.candidates import DENSE_SHARE
from vecsim.search.products import PackedCodes
from vecsim.search.sketch import Sketch, score_cutoffs
from vecsim.search.threads import THREAD_COUNT, thread_pool

# Up to so many queries are searched one by one, through all levels; more go through tiles.
MAX_SINGLE_QUERIES = 8
# In smaller blocks, encoding the queries costs too much of what a sketch can save.
MIN_REFERENCES = 4096
SAMPLE_QUERIES, SAMPLE_REFERENCES = 64, 1024
SAMPLE_REFERENCES_SINGLE = 256  # fewer for single queries: each may be a page to read from disk
# A single query takes the plain path, which reads in order, if more than this share survives.
MAX_SHARE_SINGLE = 0.1
# One survivor takes as long as the products of this many codes, times the dimension.
SURVIVOR_COST = 600
GOLDEN_RATIO = 0.6180339887498949

B = TypeVar("B")
R = TypeVar("R")


def one_by_one(query_count: int) -> bool:
    """Whether so many queries are searched one by one."""
    return query_count <= MAX_SINGLE_QUERIES


def choose_level(
    queries: Queries, sketch: Sketch | None, thresholds: Float64, first: int = 0
) -> int | None:
    """Choose the level of `sketch` by which references from row `first` on are searched fastest.

    `thresholds` (q,): of the queries. Returns None where the plain path is faster. For queries that
    are searched one by one, through all levels, the answer is the finest level or None.
    """
    if sketch is None or not len(queries) or len(sketch.levels[-1]) - first < MIN_REFERENCES:
        return None
    finest = len(sketch.levels) - 1
    if one_by_one(len(queries)):
        count = SAMPLE_REFERENCES_SINGLE
        share = _surviving_share(queries, sketch, finest, thresholds, first, count)
        return finest if share <= MAX_SHARE_SINGLE else None
    dim = sketch.axes.dim
    costs = {}
    for number, level in enumerate(sketch.axes.levels):
        share = _surviving_share(queries, sketch, number, thresholds, first, SAMPLE_REFERENCES)
        if share <= DENSE_SHARE * dim:
            costs[number] = level.code_count + share * dim * SURVIVOR_COST
    return min(costs, key=costs.__getitem__, default=None)


def _surviving_share(
    queries: Queries, sketch: Sketch, number: int, thresholds: Float64, first: int, count: int
) -> float:
    """Return the share of pairs that survive the bound of level `number`.

    Estimated from up to `SAMPLE_QUERIES` queries and `count` references.
    """
    level, references = sketch.axes.levels[number], sketch.levels[number]
    query_rows = sample_rows(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    reference_rows = sample_rows(first, len(references), count)
    sampled = queries.codes_at(sketch.axes, number, query_rows)
    packed = PackedCodes(references.codes[reference_rows])
    sums = packed.products(sampled.codes, np.empty(len(query_rows) * packed.count, np.int32))
    cutoffs = score_cutoffs(level, sampled.offsets, thresholds[query_rows])
    return float(np.mean(sums + references.offsets[reference_rows] >= cutoffs[:, None]))


def sample_rows(first: int, last: int, count: int) -> Int64:
    """Sample `count` rows from `first` up to `last`: int64 (count,), the same at each call.

    The rows follow a Weyl sequence, which spreads evenly without a period: rows at even steps would
    be those that the axes were fitted to.
    """
    places = np.arange(1, count + 1) * GOLDEN_RATIO % 1.0
    return first + (places * (last - first)).astype(np.int64)


def map_blocks(search: Callable[[B], R], blocks: Sequence[B], query_count: int) -> list[R]:
    """Call `search` for each block; return the results in the order of the blocks.

    Queries that are searched one by one keep one core busy per block, so several blocks are
    searched at once. More queries occupy all cores with every block.
    """
    if not one_by_one(query_count) or len(blocks) < 2 or THREAD_COUNT < 2:
        return list(map(search, blocks))
    with thread_pool() as pool:
        return list(pool.map(search, blocks))
