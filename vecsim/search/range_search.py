"""Range search: every pair at or above a threshold, exactly."""

from __future__ import annotations

from functools import partial

import numpy as np

from vecsim.records import Float32
from vecsim.results import Pairs
from vecsim.search.blocks import (
    MIN_REFERENCES,
    Queries,
    QueryVectors,
    ReferenceBlock,
    as_queries,
    choose_level,
    has_dense_answers,
    one_by_one,
)
from vecsim.search.bounds import (
    BFloat16Bounds,
    Bounding,
    Float32Bounds,
    MakeBounds,
    SketchBounds,
)
from vecsim.search.candidates import CandidateScorer
from vecsim.search.products import HAS_FAST_BFLOAT16
from vecsim.search.score import check_threshold, product_margin
from vecsim.search.sketch import Sketch
from vecsim.search.sketch_search import search_one
from vecsim.search.tiles import Task, matrix_tasks, run_all, tile_tasks


def range_search(
    queries: QueryVectors, block: ReferenceBlock, threshold: float, *, first: int = 0
) -> Pairs:
    """Find every pair of a query and a living reference row >= `first` with score >= `threshold`.

    `queries`: (q, d) unit float32 (`score.normalise`), bare or as `Queries`. In the result, rows
    are positions in `queries` and in `block.vectors`; its order is not specified.
    Raises UsageError for a threshold outside [-1, 1].
    """
    return run_all(range_search_tasks(queries, block, threshold, first=first))


def range_search_tasks(
    queries: QueryVectors,
    block: ReferenceBlock,
    threshold: float,
    *,
    first: int = 0,
    bounds: MakeBounds | None = None,
) -> list[Task]:
    """Return tasks whose results together are those of `range_search`.

    `bounds`: how cosines are bounded, if not in the way that is fastest on this processor.

    They may run in any order, on any threads; BLAS should have one thread meanwhile.
    """
    queries = as_queries(queries)
    thresholds = np.full(len(queries), check_threshold(threshold))
    if not len(queries) or first >= len(block):
        return []
    scorer = CandidateScorer(queries.vectors, block.vectors, block.alive, thresholds)
    if bounds is not None and not one_by_one(len(queries)):
        return tile_tasks(bounds(queries.vectors, block.vectors), scorer, first)
    level = choose_level(queries, block.sketch, thresholds, first)
    if one_by_one(len(queries)):
        if block.sketch is not None and level is not None:
            return [partial(_search_each, queries, block.sketch, scorer, first)]
        return [partial(_search_plainly, queries, block, scorer, threshold, first)]
    if block.sketch is not None and level is not None:
        return tile_tasks(SketchBounds(queries, block.sketch, level), scorer, first)
    if has_dense_answers(queries, block.vectors, thresholds, first):
        return matrix_tasks(scorer, first)
    return tile_tasks(plain_bounds(queries.vectors, block.vectors), scorer, first)


def plain_bounds(queries: Float32, references: Float32) -> Bounding:
    """Return the fastest way to bound cosines without a sketch on this machine."""
    if HAS_FAST_BFLOAT16:
        return BFloat16Bounds(queries, references)
    return Float32Bounds(queries, references)


def _search_each(queries: Queries, sketch: Sketch, scorer: CandidateScorer, first: int) -> Pairs:
    """Search a few queries one by one, by all levels of the sketch."""
    return Pairs.concatenate(
        [search_one(queries, row, sketch, scorer, first) for row in range(len(queries))]
    )


def _search_plainly(
    queries: Queries,
    block: ReferenceBlock,
    scorer: CandidateScorer,
    threshold: float,
    first: int,
) -> Pairs:
    """Search a few queries by float32 products of all pairs, reading the references once."""
    lowered = threshold - product_margin(block.vectors.shape[1])
    # In a small block, importing FAISS would take longer than the search.
    if block.propose is not None and len(block) >= MIN_REFERENCES:
        query_rows, reference_rows = block.propose(queries.vectors, lowered)
        wanted = reference_rows >= first
        return scorer.score(query_rows[wanted], reference_rows[wanted])
    rows = np.arange(len(queries))
    return scorer.score_rectangle(rows, slice(first, len(block)))
