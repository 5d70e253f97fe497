"""Whether a sketch pays: a look at a few pairs tells how many would survive its bound."""

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
GOLDEN = 0.6180339887498949


def pays(queries: Queries, sketch: Sketch | None, thresholds: Float64, first: int = 0) -> bool:
    """Whether searching references from row `first` on by their sketch beats the plain path."""
    if sketch is None or not len(queries):
        return False
    level, references = sketch.axes.levels[-1], sketch.levels[-1]
    if len(references) - first < LEAST_REFERENCES:
        return False
    few = len(queries) <= FEW
    some = spread(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    other = spread(first, len(references), SAMPLE_OF_ONE if few else SAMPLE_REFERENCES)
    mine = queries.some_rows(sketch.axes, len(sketch.levels) - 1, some)
    packed = Packed(references.codes[other])
    sums = packed.products(mine.codes, np.empty(len(some) * packed.count, np.int32))
    least = least_sums(level, mine.offsets, thresholds[some])
    surviving = np.mean(sums + references.offsets[other] >= least[:, None])
    return bool(surviving <= (MOST_OF_ONE if few else MANY * sketch.axes.dim))


def spread(first: int, last: int, count: int) -> Int64:
    """`count` of the rows from `first` to `last`: those of a Weyl sequence, as good as random.

    At even steps they would be the rows that the axes were learnt from.
    """
    places = np.arange(1, count + 1) * GOLDEN % 1.0
    return first + (places * (last - first)).astype(np.int64)
