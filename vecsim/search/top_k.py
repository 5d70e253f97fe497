"""Top-k: each query's best references over several blocks, exactly, ties included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock

import numpy as np

from vecsim.errors import UsageError
from vecsim.records import Bool, Float32, Float64
from vecsim.results import Pairs
from vecsim.search.blocks import (
    Queries,
    QueryVectors,
    ReferenceBlock,
    as_queries,
    choose_level,
    one_by_one,
)
from vecsim.search.bounds import SketchBounds
from vecsim.search.candidates import CandidateScorer
from vecsim.search.products import (
    FLOAT_TILE_QUERIES,
    THREAD_COUNT,
    float32_tiles,
    thread_pool,
)
from vecsim.search.score import product_margin
from vecsim.search.sketch_search import raise_threshold, search_one
from vecsim.search.tiles import run_tasks, tile_tasks

BELOW_ALL = np.float32(-2.0)  # below every cosine
# References that are searched by plain products first, so that every query of many has a threshold.
MIN_PRIMING_ROWS = 2048


def top_k(queries: QueryVectors, blocks: Sequence[ReferenceBlock], k: int) -> Pairs:
    """Find each query's `k` best living references, and all that tie with the k-th score.

    `queries`: (q, d) unit float32, bare or as `Queries`. In the result, a reference is its position
    in the concatenation of `blocks`; the order of the pairs is not specified. A query with fewer
    than `k` living references gets them all. Ties are kept so that the caller can break them by id
    and cut. Raises UsageError unless `k` is at least 1.
    """
    if k < 1:
        raise UsageError(f"top-k of {k}: ask for at least 1")
    best = _BestPairs(as_queries(queries), k)
    starts = accumulate(map(len, blocks), initial=0)
    parts = list(zip(blocks, starts, strict=False))
    if one_by_one(len(queries)) and len(blocks) > 1 and THREAD_COUNT > 1:
        # Queries that are searched one by one keep one core busy per block.
        with thread_pool() as pool:
            list(pool.map(best.search, parts))
    else:
        for part in parts:
            best.search(part)
    return best.pairs


def kth_scores(pairs: Pairs, k: int, query_count: int) -> Float64:
    """Return each query's k-th best score, -inf where it has fewer: float64 (query_count,)."""
    order = np.lexsort((-pairs.score, pairs.query))
    bounds = np.searchsorted(pairs.query[order], np.arange(query_count + 1))
    enough = np.diff(bounds) >= k
    kth = np.full(query_count, -np.inf)
    kth[enough] = pairs.score[order[bounds[:-1][enough] + k - 1]]
    return kth


class _BestPairs:
    """Each query's best pairs so far, and the threshold that a further pair must reach.

    Several blocks may be searched at once. Where two of them raise a threshold at the same time, it
    can end up as the lower of both, which is still a score that k references reach.
    """

    def __init__(self, queries: Queries, k: int) -> None:
        self.pairs = Pairs.empty()
        self._queries = queries
        self._k = k
        self._thresholds = np.full(len(queries), -np.inf)
        self._lock = Lock()

    def search(self, part: tuple[ReferenceBlock, int]) -> None:
        """Search one more block; with it comes the position of its first row."""
        block, start = part
        scorer = CandidateScorer(
            self._queries.vectors, block.vectors, block.alive, self._thresholds
        )
        for found in self._search_block(block, scorer):
            self._add(Pairs(found.query, found.reference + start, found.score))

    def _add(self, found: Pairs) -> None:
        with self._lock:
            pairs = Pairs.concatenate([self.pairs, found])
            kth = kth_scores(pairs, self._k, len(self._queries))
            np.maximum(self._thresholds, kth, out=self._thresholds)
            self.pairs = pairs.take(pairs.score >= self._thresholds[pairs.query])

    def _search_block(self, block: ReferenceBlock, scorer: CandidateScorer) -> Iterator[Pairs]:
        """Yield, in parts, a superset of the best pairs of one block.

        Queries without a threshold get one first, from some of the references.
        """
        queries, sketch, k = self._queries, block.sketch, self._k
        if sketch is None:
            yield _search_plainly(scorer, k, 0, len(block))
            return
        unbounded = np.flatnonzero(np.isneginf(self._thresholds)).tolist()
        head = 0
        if one_by_one(len(queries)):
            for row in unbounded:
                raise_threshold(queries, row, sketch, scorer, k)
        elif unbounded:
            head = min(len(block), max(MIN_PRIMING_ROWS, 4 * k))
            yield _search_plainly(scorer, k, 0, head)
        level = choose_level(queries, sketch, self._thresholds, head)
        if level is None:
            yield _search_plainly(scorer, k, head, len(block))
        elif one_by_one(len(queries)):
            for row in range(len(queries)):
                yield search_one(queries, row, sketch, scorer, head, k)
        else:
            yield from run_tasks(tile_tasks(SketchBounds(queries, sketch, level), scorer, head))


def _search_plainly(scorer: CandidateScorer, k: int, first: int, last: int) -> Pairs:
    """Find each query's k best among references `first` to `last` by float32 products of all."""
    alive = None if scorer.alive is None else scorer.alive[first:last]
    references = scorer.references[first:last]
    found = []
    for start in range(0, len(scorer.queries), FLOAT_TILE_QUERIES):
        part = slice(start, start + FLOAT_TILE_QUERIES)
        near = _nearest(scorer.queries[part], references, alive, scorer.thresholds[part], k)
        found.append(scorer.score(near.query + start, near.reference + first))
    return Pairs.concatenate(found)


def _nearest(
    queries: Float32, references: Float32, alive: Bool | None, thresholds: Float64, k: int
) -> Pairs:
    """Return a superset of each query's k best living references, scored by float32 products.

    Pairs whose product shows that they score below their query's threshold (q,) are left out. A
    product differs from its score by at most `margin`, so a pair may be among the k best if its
    product is at most twice the margin below the k-th best product.
    """
    margin = product_margin(references.shape[1])
    near = Pairs.empty()
    floors = thresholds - margin
    for _, reference, tile in float32_tiles(queries, references):
        if alive is not None:
            tile[:, ~alive[reference : reference + tile.shape[1]]] = 2 * BELOW_ALL
        if tile.shape[1] >= k and np.isneginf(floors).any():
            kth = np.partition(tile, -k, axis=1)[:, -k].astype(np.float64)
            np.maximum(floors, kth - 2 * margin, out=floors)
        lowest = np.maximum(floors, BELOW_ALL).astype(np.float32)
        flat = np.flatnonzero(tile >= lowest[:, None])
        rows, columns = np.divmod(flat, tile.shape[1])
        found = Pairs(rows, columns + reference, tile.ravel()[flat].astype(np.float64))
        near = Pairs.concatenate([near, found])
        np.maximum(floors, kth_scores(near, k, len(queries)) - 2 * margin, out=floors)
        near = near.take(near.score >= floors[near.query])
    return near
