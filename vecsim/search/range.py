"""Range search: every pair at or above a threshold, exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vecsim.records import Int64, Pairs
from vecsim.search import single, tiles
from vecsim.search.block import Block
from vecsim.search.check import Check
from vecsim.search.plan import best_level
from vecsim.search.products import products
from vecsim.search.queries import Queries, QueryVectors, as_queries
from vecsim.search.score import check_threshold, margin
from vecsim.search.sketch import Sketch


def range_search(queries: QueryVectors, block: Block, threshold: float, *, first: int = 0) -> Pairs:
    """Every pair of a query row and a living reference row >= `first` with score >= `threshold`.

    `queries`: (q, d) unit float32 (`score.normalise`), bare or as `Queries`. Rows are positions in
    `queries` and in `block.vectors`. Sorted by query, then falling score, then reference.
    Raises UsageError for a threshold outside [-1, 1].
    """
    queries = as_queries(queries)
    thresholds = np.full(len(queries), check_threshold(threshold))
    if not len(queries) or first >= len(block):
        return Pairs.empty()
    check = Check(queries.vectors, block.vectors, block.alive, thresholds)
    level = best_level(queries, block.sketch, thresholds, first)
    if block.sketch is not None and level is not None:
        found = by_sketch(queries, block.sketch, check, first, level)
    else:
        found = _plain(queries, block, check, threshold, first)
    return ordered(Pairs.concatenate(list(found)))


def ordered(pairs: Pairs) -> Pairs:
    """`pairs` sorted by query, then falling score, then reference."""
    return pairs.take(np.lexsort((pairs.reference, -pairs.score, pairs.query)))


def by_sketch(
    queries: Queries, sketch: Sketch, check: Check, first: int, level: int
) -> Iterator[Pairs]:
    """The answer from the sketch, in parts; many queries use one `level` of it."""
    if len(queries) > single.FEW:
        yield from tiles.survivors(queries, sketch, level, check, first)
    else:
        for row in range(len(queries)):
            yield single.survivors(queries, row, sketch, check, first)


def _plain(
    queries: Queries, block: Block, check: Check, threshold: float, first: int
) -> Iterator[Pairs]:
    """The answer from float32 products, in parts."""
    for query_rows, reference_rows in _proposals(queries, block, threshold, first):
        fine = reference_rows >= first
        yield check.scored(query_rows[fine], reference_rows[fine])


def _proposals(
    queries: Queries, block: Block, threshold: float, first: int
) -> Iterator[tuple[Int64, Int64]]:
    """A superset of the answer, in parts: (query_rows, reference_rows)."""
    vectors = block.vectors
    lowered = threshold - margin(vectors.shape[1])
    if block.propose is not None:
        yield block.propose(queries.vectors, lowered)
        return
    for query, reference, tile in products(queries.vectors, vectors, first):
        flat = np.flatnonzero(tile > np.float32(lowered))
        rows, columns = np.divmod(flat, tile.shape[1])
        yield rows + query, columns + reference
