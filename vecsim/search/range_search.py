"""Range search: every pair at or above a threshold, exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vecsim.records import Int64, Pairs
from vecsim.search.blocks import (
    Queries,
    QueryVectors,
    ReferenceBlock,
    as_queries,
    choose_level,
    one_by_one,
)
from vecsim.search.products import float32_tiles
from vecsim.search.score import CandidateScorer, check_threshold, product_margin
from vecsim.search.sketch import Sketch
from vecsim.search.sketch_search import search_one, search_tiles


def range_search(
    queries: QueryVectors, block: ReferenceBlock, threshold: float, *, first: int = 0
) -> Pairs:
    """Find every pair of a query and a living reference row >= `first` with score >= `threshold`.

    `queries`: (q, d) unit float32 (`score.normalise`), bare or as `Queries`. In the result, rows
    are positions in `queries` and in `block.vectors`; its order is not specified.
    Raises UsageError for a threshold outside [-1, 1].
    """
    queries = as_queries(queries)
    thresholds = np.full(len(queries), check_threshold(threshold))
    if not len(queries) or first >= len(block):
        return Pairs.empty()
    scorer = CandidateScorer(queries.vectors, block.vectors, block.alive, thresholds)
    level = choose_level(queries, block.sketch, thresholds, first)
    if block.sketch is not None and level is not None:
        found = _search_by_sketch(queries, block.sketch, scorer, first, level)
    else:
        found = _search_plainly(queries, block, scorer, threshold, first)
    return Pairs.concatenate(list(found))


def _search_by_sketch(
    queries: Queries, sketch: Sketch, scorer: CandidateScorer, first: int, level: int
) -> Iterator[Pairs]:
    """Yield the result in parts, found by `level` of the sketch, or by all for a few queries."""
    if one_by_one(len(queries)):
        for row in range(len(queries)):
            yield search_one(queries, row, sketch, scorer, first)
    else:
        yield from search_tiles(queries, sketch, level, scorer, first)


def _search_plainly(
    queries: Queries, block: ReferenceBlock, scorer: CandidateScorer, threshold: float, first: int
) -> Iterator[Pairs]:
    """Yield the result in parts, found by float32 products of all pairs."""
    for query_rows, reference_rows in _propose(queries, block, threshold, first):
        wanted = reference_rows >= first
        yield scorer.score(query_rows[wanted], reference_rows[wanted])


def _propose(
    queries: Queries, block: ReferenceBlock, threshold: float, first: int
) -> Iterator[tuple[Int64, Int64]]:
    """Yield a superset of the result in parts: (query_rows, reference_rows)."""
    lowered = threshold - product_margin(block.vectors.shape[1])
    if block.propose is not None:
        yield block.propose(queries.vectors, lowered)
        return
    for query, reference, tile in float32_tiles(queries.vectors, block.vectors, first):
        flat = np.flatnonzero(tile > np.float32(lowered))
        rows, columns = np.divmod(flat, tile.shape[1])
        yield rows + query, columns + reference
