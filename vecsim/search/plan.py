"""Whether a sketch pays: a look at a few pairs tells how many would survive its bound."""

from __future__ import annotations

import numpy as np

from vecsim.records import Float64
from vecsim.search.kernel import Packed
from vecsim.search.queries import Queries
from vecsim.search.single import FEW
from vecsim.search.sketch import Sketch, least_sums

LEAST_REFERENCES = 4096  # below this, projecting the queries costs too much of what it may save
SAMPLE_QUERIES, SAMPLE_REFERENCES = 64, 1024
# A pair that survives costs a random look at two vectors. For many queries the alternative is a
# matrix product, at a hundredth of that a pair; for one it is reading every vector.
MOST_OF_MANY = 1e-5  # survivors of all pairs and dimension, above which the matrix is faster
MOST_OF_ONE = 0.1


def pays(queries: Queries, sketch: Sketch | None, thresholds: Float64, first: int = 0) -> bool:
    """Whether searching references from row `first` on by their sketch beats the plain path."""
    if sketch is None or not len(queries):
        return False
    level, references = sketch.axes.levels[-1], sketch.levels[-1]
    if len(references) - first < LEAST_REFERENCES:
        return False
    few = len(queries) <= FEW
    some = slice(None, None, -(-len(queries) // SAMPLE_QUERIES))
    mine = queries.rows(sketch.axes, len(sketch.levels) - 1).part(some)
    other = slice(first, None, -(-(len(references) - first) // SAMPLE_REFERENCES))
    packed = Packed(references.codes[other])
    sums = packed.products(mine.codes, np.empty(len(mine) * packed.count, np.int32))
    least = least_sums(level, mine.offsets, thresholds[some])
    surviving = np.mean(sums + references.offsets[other] >= least[:, None])
    return bool(surviving <= (MOST_OF_ONE if few else MOST_OF_MANY * sketch.axes.dim))
