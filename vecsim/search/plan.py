"""Which level of a sketch pays: a look at a few pairs tells how many would survive its bound."""

from __future__ import annotations

import numpy as np

from vecsim.records import Float64, Int64
from vecsim.search.check import MANY
from vecsim.search.kernel import Packed
from vecsim.search.queries import Queries
from vecsim.search.single import FEW
from vecsim.search.sketch import Sketch, least_sums

LEAST_REFERENCES = 4096  # below this, projecting the queries costs too much of what it may save
SAMPLE_QUERIES, SAMPLE_REFERENCES = 64, 1024
SAMPLE_OF_ONE = 256  # each may be a page to read: one query has no time for many
MOST_OF_ONE = 0.1  # of the references of one query, which are otherwise read in order, may survive
SURVIVOR = 600  # codes, times dimensions: the products that take as long as one more survivor
GOLDEN = 0.6180339887498949


def best_level(
    queries: Queries, sketch: Sketch | None, thresholds: Float64, first: int = 0
) -> int | None:
    """The level of `sketch` by which references from row `first` on are best searched.

    None where the plain path is faster. A few queries go through all levels in turn, and get the
    finest.
    """
    if sketch is None or not len(queries) or len(sketch.levels[-1]) - first < LEAST_REFERENCES:
        return None
    finest = len(sketch.levels) - 1
    if len(queries) <= FEW:
        share = _surviving(queries, sketch, finest, thresholds, first, SAMPLE_OF_ONE)
        return finest if share <= MOST_OF_ONE else None
    dim = sketch.axes.dim
    costs = {}
    for number, level in enumerate(sketch.axes.levels):
        share = _surviving(queries, sketch, number, thresholds, first, SAMPLE_REFERENCES)
        if share <= MANY * dim:
            costs[number] = level.width + share * dim * SURVIVOR
    return min(costs, key=costs.__getitem__, default=None)


def _surviving(
    queries: Queries, sketch: Sketch, number: int, thresholds: Float64, first: int, count: int
) -> float:
    """The share of pairs that survive the bound of one level, in a sample of `count` references."""
    level, references = sketch.axes.levels[number], sketch.levels[number]
    some = spread(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    other = spread(first, len(references), count)
    mine = queries.some_rows(sketch.axes, number, some)
    packed = Packed(references.codes[other])
    sums = packed.products(mine.codes, np.empty(len(some) * packed.count, np.int32))
    least = least_sums(level, mine.offsets, thresholds[some])
    return float(np.mean(sums + references.offsets[other] >= least[:, None]))


def spread(first: int, last: int, count: int) -> Int64:
    """`count` of the rows from `first` to `last`: those of a Weyl sequence, as good as random.

    At even steps they would be the rows that the axes were learnt from.
    """
    places = np.arange(1, count + 1) * GOLDEN % 1.0
    return first + (places * (last - first)).astype(np.int64)
