"""Whether a sketch pays: a look at a few pairs tells how many would survive its bound."""

from __future__ import annotations

import numpy as np

from vecsim.records import Float64
from vecsim.search.check import MANY
from vecsim.search.kernel import Packed
from vecsim.search.queries import Queries
from vecsim.search.single import FEW
from vecsim.search.sketch import Sketch, least_sums

LEAST_REFERENCES = 4096  # below this, projecting the queries costs too much of what it may save
SAMPLE_QUERIES, SAMPLE_REFERENCES = 64, 1024
SEED = 1
MOST_OF_ONE = 0.1  # of the references of one query, which are otherwise read in order, may survive


def pays(queries: Queries, sketch: Sketch | None, thresholds: Float64, first: int = 0) -> bool:
    """Whether searching references from row `first` on by their sketch beats the plain path."""
    if sketch is None or not len(queries):
        return False
    level, references = sketch.axes.levels[-1], sketch.levels[-1]
    if len(references) - first < LEAST_REFERENCES:
        return False
    few = len(queries) <= FEW
    # At random: at even steps it would meet the rows that the axes were learnt from.
    random = np.random.default_rng(SEED)
    some = random.integers(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    other = random.integers(first, len(references), SAMPLE_REFERENCES)
    mine = queries.some_rows(sketch.axes, len(sketch.levels) - 1, some)
    packed = Packed(references.codes[other])
    sums = packed.products(mine.codes, np.empty(len(some) * packed.count, np.int32))
    least = least_sums(level, mine.offsets, thresholds[some])
    surviving = np.mean(sums + references.offsets[other] >= least[:, None])
    return bool(surviving <= (MOST_OF_ONE if few else MANY * sketch.axes.dim))
