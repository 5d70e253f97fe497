"""Helpers of the search's tests: cases for Hypothesis, results as lists, references in blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from support import oracle
from support.strategies import DIMS, vectors
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.score import normalise


def listed(pairs):
    """The pairs as tuples, in the oracle's order: query, falling score, reference."""
    columns = (pairs.query.tolist(), pairs.reference.tolist(), pairs.score.tolist())
    return sorted(zip(*columns, strict=True), key=lambda pair: (pair[0], -pair[2], pair[1]))


@st.composite
def search_cases(draw):
    """(queries, references, alive, threshold): thresholds are often scores that occur."""
    dim = draw(st.sampled_from(DIMS))
    sizes = st.sampled_from([0, 1, 2, 7, 40])
    queries, references = draw(sizes), draw(sizes)
    rows = normalise(draw(vectors(st.just(queries + references), dim)))
    alive = draw(st.none() | st.integers(0, 2**32 - 1))
    if alive is not None:
        alive = np.random.default_rng(alive).random(references) < 0.7
    scores = oracle.matrix(rows[:queries], rows[queries:])
    thresholds = st.sampled_from([-1.0, 0.0, 0.5, 0.845, 0.9, 1.0]) | st.floats(-1, 1)
    if scores.size:
        thresholds |= st.sampled_from(np.unique(scores).tolist())
    return rows[:queries], rows[queries:], alive, draw(thresholds)


def split_into_blocks(references, alive, bounds):
    """The references as several blocks, split at `bounds`; some may be empty."""
    places = np.sort(np.clip(bounds, 0, len(references)))
    parts = np.split(references, places)
    alive_parts = [None] * len(parts) if alive is None else np.split(alive, places)
    return [
        ReferenceBlock(part, alive=alive_part)
        for part, alive_part in zip(parts, alive_parts, strict=True)
    ]
