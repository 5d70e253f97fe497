"""Top-k: each query's best references over several blocks, exactly, ties included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from threading import Lock

import numpy as np

from vecsim.errors import UsageError
from vecsim.records import Bool, Float32, Float64
from vecsim.results import Pairs
from vecsim.search.blocks import (
    MIN_REFERENCES,
    Queries,
    QueryVectors,
    ReferenceBlock,
    as_queries,
    choose_level,
    one_by_one,
)
from vecsim.search.bounds import SketchBounds
from vecsim.search.candidates import CLEARLY_DENSE, CandidateScorer, dense_pairs, sampled_rows
from vecsim.search.products import THREAD_COUNT, aligned, thread_pool
from vecsim.search.score import product_margin, score_matrix
from vecsim.search.sketch_search import raise_threshold, raise_thresholds, search_one
from vecsim.search.tiles import run_tasks, tile_tasks

FLOAT_TILE_QUERIES = 512
FLOAT_TILE_REFERENCES = 2048
BELOW_ALL = np.float32(-2.0)  # below every cosine
# With so many pairs of each query, a selection takes less time than sorting all of them.
MANY_PAIRS = 64


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
    if one_by_one(len(queries), best=True) and len(blocks) > 1 and THREAD_COUNT > 1:
        # Queries that are searched one by one keep one core busy per block.
        with thread_pool() as pool:
            list(pool.map(best.search, parts))
    else:
        for part in parts:
            best.search(part)
    return best.pairs


def kth_scores(pairs: Pairs, k: int, query_count: int) -> Float64:
    """Return each query's k-th best score, -inf where it has fewer: float64 (query_count,)."""
    kth = np.full(query_count, -np.inf)
    many = len(pairs) > MANY_PAIRS * query_count
    if many:
        # Of 16 bits, NumPy sorts numbers by their digits, in less time.
        numbers = pairs.query.astype(np.uint16) if query_count < 1 << 16 else pairs.query
        order = np.argsort(numbers, kind="stable")
    else:
        order = np.lexsort((-pairs.score, pairs.query))
    bounds = np.searchsorted(pairs.query[order], np.arange(query_count + 1))
    enough = np.diff(bounds) >= k
    if many:
        scores = pairs.score[order]
        for query in np.flatnonzero(enough).tolist():
            own = scores[bounds[query] : bounds[query + 1]]
            kth[query] = np.partition(own, -k)[-k]
    else:
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
            self._add([_moved(pairs, 0, start) for pairs in found if len(pairs)])

    def _add(self, found: list[Pairs]) -> None:
        with self._lock:
            known = [self.pairs] if len(self.pairs) else []
            pairs = Pairs.concatenate([*known, *found])
            thresholds = self._thresholds[pairs.query]
            # Others raise no threshold; where many references tie, these are most of the pairs.
            above = pairs.take(pairs.score > thresholds)
            kth = kth_scores(above, self._k, len(self._queries))
            if (kth > self._thresholds).any():
                np.maximum(self._thresholds, kth, out=self._thresholds)
                thresholds = self._thresholds[pairs.query]
            kept = pairs.score >= thresholds
            self.pairs = pairs if kept.all() else pairs.take(kept)

    def _search_block(
        self, block: ReferenceBlock, scorer: CandidateScorer
    ) -> Iterator[list[Pairs]]:
        """Yield, in parts, a superset of the best pairs of one block.

        Queries without a threshold get one first, from some of the references.
        """
        queries, sketch, k = self._queries, block.sketch, self._k
        if sketch is None or len(block) < MIN_REFERENCES:
            yield _search_plainly(scorer, k, 0, len(block))
            return
        unbounded = np.flatnonzero(np.isneginf(self._thresholds))
        if one_by_one(len(queries), best=True):
            for row in unbounded.tolist():
                raise_threshold(queries, row, sketch, scorer, k)
        elif len(unbounded):
            raise_thresholds(queries, unbounded, sketch, scorer, k)
        level = choose_level(queries, sketch, self._thresholds, best=True)
        if level is None:
            yield _search_plainly(scorer, k, 0, len(block))
        elif one_by_one(len(queries), best=True):
            for row in range(len(queries)):
                yield [search_one(queries, row, sketch, scorer, k=k)]
        else:
            tasks = tile_tasks(SketchBounds(queries, sketch, level), scorer)
            yield from ([pairs] for pairs in run_tasks(tasks))


def _moved(pairs: Pairs, query: int, reference: int) -> Pairs:
    """Return `pairs` with these numbers added to their rows."""
    if query == reference == 0:
        return pairs
    return replace(pairs, query=pairs.query + query, reference=pairs.reference + reference)


def _search_plainly(scorer: CandidateScorer, k: int, first: int, last: int) -> list[Pairs]:
    """Find each query's k best among references `first` to `last` by products of all pairs.

    The pairs come in parts. The thresholds of `scorer` are raised to scores that k pairs reach.
    """
    found = []
    for start in range(0, len(scorer.queries), FLOAT_TILE_QUERIES):
        rows = slice(start, start + FLOAT_TILE_QUERIES)
        search = _PlainSearch(
            scorer.queries[rows], scorer.references, scorer.alive, scorer.thresholds[rows], k
        )
        near, scored = search.run(first, last)
        found += [scorer.score(near.query + start, near.reference)] if len(near) else []
        found += [_moved(pairs, start, 0) for pairs in scored]
    return found


class _PlainSearch:
    """Finds a superset of each query's k best living references: by products, and by scores.

    Pairs whose float32 product shows that they score below their query's threshold are left out. A
    product differs from its score by at most `margin`, so a pair may be among the k best if its
    product is at most twice the margin below the k-th best product. Where many pairs of a tile may
    be, as among copies of one vector, all of the tile are scored, and selected by their scores.
    """

    def __init__(
        self,
        queries: Float32,
        references: Float32,
        alive: Bool | None,
        thresholds: Float64,
        k: int,
    ) -> None:
        """`queries` (q, d): few enough for a tile. `thresholds` (q,): of them, raised in place."""
        self._queries, self._references, self._alive, self._k = queries, references, alive, k
        self._margin = product_margin(references.shape[1])
        self._thresholds = thresholds
        self._floors = thresholds - self._margin
        self._near = Pairs.empty()
        self._scored: list[Pairs] = []

    def run(self, first: int, last: int) -> tuple[Pairs, list[Pairs]]:
        """Search references `first` to `last`; return near pairs with products, and scored ones."""
        width = FLOAT_TILE_QUERIES * FLOAT_TILE_REFERENCES // max(1, len(self._queries))
        memory = np.empty(0, np.float32)
        for start in range(first, last, width):
            tile_references = slice(start, min(start + width, last))
            part = aligned(self._references[tile_references])
            alive = None if self._alive is None else self._alive[tile_references]
            sample = sampled_rows(len(self._queries))
            some = _products(self._queries[sample], part, alive)
            if len(sample) < len(self._queries) and self._is_dense(some, self._floors[sample]):
                self._score_all(part, alive, start)
                continue
            memory = np.empty(width * len(self._queries), np.float32) if not len(memory) else memory
            tile = _products(self._queries, part, alive, memory)
            if self._is_dense(tile, self._floors):
                self._score_all(part, alive, start)
            else:
                self._keep_near(tile, start)
        return self._near, self._scored

    def _lowest(self, tile: Float32, floors: Float64) -> Float32:
        """Raise `floors` (m,) by the k-th products of `tile` (m, n); return them as float32."""
        if tile.shape[1] >= self._k and np.isneginf(floors).any():
            kth = np.partition(tile, -self._k, axis=1)[:, -self._k].astype(np.float64)
            np.maximum(floors, kth - 2 * self._margin, out=floors)
        return np.maximum(floors, BELOW_ALL).astype(np.float32)

    def _is_dense(self, tile: Float32, floors: Float64) -> bool:
        """Tell whether many pairs of a tile may be among the best; raises `floors` in place."""
        reached = tile >= self._lowest(tile, floors)[:, None]
        return bool(np.count_nonzero(reached) > CLEARLY_DENSE * tile.size)

    def _keep_near(self, tile: Float32, start: int) -> None:
        """Keep the pairs of a tile that may be among the best; `start`: its first reference."""
        flat = np.flatnonzero(tile >= self._lowest(tile, self._floors)[:, None])
        rows, columns = np.divmod(flat, tile.shape[1])
        found = Pairs(rows, columns + start, tile.ravel()[flat].astype(np.float64))
        near = Pairs.concatenate([self._near, found])
        kth = kth_scores(near, self._k, len(self._queries))
        np.maximum(self._floors, kth - 2 * self._margin, out=self._floors)
        self._near = near.take(near.score >= self._floors[near.query])

    def _score_all(self, part: Float32, alive: Bool | None, start: int) -> None:
        """Keep the best pairs with the references of a tile, with ties, by scores of all pairs."""
        scores = score_matrix(self._queries, part)
        if alive is not None:
            scores[:, ~alive] = -np.inf
        if scores.shape[1] >= self._k:
            kth = np.partition(scores, -self._k, axis=1)[:, -self._k]
            np.maximum(self._thresholds, kth, out=self._thresholds)
            np.maximum(self._floors, self._thresholds - self._margin, out=self._floors)
        reached = scores >= np.maximum(self._thresholds, BELOW_ALL)[:, None]
        self._scored.append(dense_pairs(reached, scores, np.arange(len(scores)), start))


def _products(
    queries: Float32, references: Float32, alive: Bool | None, memory: Float32 | None = None
) -> Float32:
    """Return the products of (m, d) and (n, d), in `memory` if given, -4 for removed references."""
    shape = (len(queries), len(references))
    out = None if memory is None else memory[: shape[0] * shape[1]].reshape(shape)
    tile: Float32 = np.matmul(queries, references.T, out=out)
    if alive is not None:
        tile[:, ~alive] = 2 * BELOW_ALL
    return tile
