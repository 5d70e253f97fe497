"""Top-k: each query's best references over several blocks, exactly, ties included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock

import numpy as np

from vecsim.errors import UsageError
from vecsim.records import Bool, Float32, Float64, Pairs
from vecsim.search import single, tiles
from vecsim.search.block import Block
from vecsim.search.check import Check
from vecsim.search.plan import best_level
from vecsim.search.products import TILE_QUERIES, products
from vecsim.search.queries import Queries, QueryVectors, as_queries
from vecsim.search.range import ordered
from vecsim.search.score import margin
from vecsim.search.several import each

NOWHERE = np.float32(-2.0)  # below every cosine
HEAD = 2048  # references searched plainly, so that every query knows what it must beat


def top_k(queries: QueryVectors, blocks: Sequence[Block], k: int) -> Pairs:
    """Each query's `k` best living references, and all that tie with the k-th score.

    `queries`: (q, d) unit float32, bare or as `Queries`. A reference is its position in the
    concatenation of `blocks`. A query with fewer than `k` living references gets them all. Ties
    are kept so that the caller can break them by id and cut. Sorted by query, then falling score,
    then reference. Raises UsageError unless `k` is at least 1.
    """
    if k < 1:
        raise UsageError(f"top-k of {k}: ask for at least 1")
    best = _Best(as_queries(queries), k)
    starts = accumulate(map(len, blocks), initial=0)
    each(best.search, list(zip(blocks, starts, strict=False)), len(queries))
    return ordered(best.pairs)


def kth_scores(pairs: Pairs, k: int, queries: int) -> Float64:
    """The k-th best score of each of `queries` rows, -inf where there are fewer: (queries,)."""
    order = np.lexsort((-pairs.score, pairs.query))
    bounds = np.searchsorted(pairs.query[order], np.arange(queries + 1))
    enough = np.diff(bounds) >= k
    kth = np.full(queries, -np.inf)
    kth[enough] = pairs.score[order[bounds[:-1][enough] + k - 1]]
    return kth


class _Best:
    """Each query's best so far, and what a further reference must score to be among them.

    Several blocks may be searched at once. A threshold that two of them raise may end up as the
    lower of both, which is true as well.
    """

    def __init__(self, queries: Queries, k: int) -> None:
        self.pairs = Pairs.empty()
        self._queries = queries
        self._k = k
        self._thresholds = np.full(len(queries), -np.inf)
        self._turn = Lock()

    def search(self, part: tuple[Block, int]) -> None:
        """Search one more block, whose first row counts as the given one."""
        block, start = part
        check = Check(self._queries.vectors, block.vectors, block.alive, self._thresholds)
        for found in self._in_block(block, check):
            self._add(Pairs(found.query, found.reference + start, found.score))

    def _add(self, found: Pairs) -> None:
        with self._turn:
            pairs = Pairs.concatenate([self.pairs, found])
            kth = kth_scores(pairs, self._k, len(self._queries))
            np.maximum(self._thresholds, kth, out=self._thresholds)
            self.pairs = pairs.take(pairs.score >= self._thresholds[pairs.query])

    def _in_block(self, block: Block, check: Check) -> Iterator[Pairs]:
        """What may be among the best in one block, in parts."""
        queries, sketch, k = self._queries, block.sketch, self._k
        if sketch is None:
            yield _plain(check, k, 0, len(block))
            return
        few = len(queries) <= single.FEW
        unknown = np.flatnonzero(np.isneginf(self._thresholds)).tolist()
        head = 0
        if few:
            for row in unknown:
                single.learn(queries, row, sketch, check, k)
        elif unknown:
            head = min(len(block), max(HEAD, 4 * k))
            yield _plain(check, k, 0, head)
        level = best_level(queries, sketch, self._thresholds, head)
        if level is None:
            yield _plain(check, k, head, len(block))
        elif few:
            for row in range(len(queries)):
                yield single.survivors(queries, row, sketch, check, head, k)
        else:
            yield from tiles.survivors(queries, sketch, level, check, head)


def _plain(check: Check, k: int, first: int, last: int) -> Pairs:
    """The k best of references `first` to `last` for each query, by float32 products of all."""
    found = []
    for start in range(0, len(check.queries), TILE_QUERIES):
        part = slice(start, start + TILE_QUERIES)
        alive = None if check.alive is None else check.alive[first:last]
        near = _nearest(
            check.queries[part], check.references[first:last], alive, check.thresholds[part], k
        )
        found.append(check.scored(near.query + start, near.reference + first))
    return Pairs.concatenate(found)


def _nearest(
    queries: Float32, references: Float32, alive: Bool | None, known: Float64, k: int
) -> Pairs:
    """A superset of the k best living references of each query; the scores are float32 products.

    What is surely below `known` (q,) is left out.
    """
    slack = margin(references.shape[1])
    near = Pairs.empty()
    floor = known - slack
    for _, reference, tile in products(queries, references):
        if alive is not None:
            tile[:, ~alive[reference : reference + tile.shape[1]]] = 2 * NOWHERE
        if tile.shape[1] >= k and np.isneginf(floor).any():
            kth = np.partition(tile, -k, axis=1)[:, -k].astype(np.float64)
            np.maximum(floor, kth - 2 * slack, out=floor)  # both it and a candidate may be off
        lowest = np.maximum(floor, NOWHERE).astype(np.float32)
        flat = np.flatnonzero(tile >= lowest[:, None])
        rows, columns = np.divmod(flat, tile.shape[1])
        found = Pairs(rows, columns + reference, tile.ravel()[flat].astype(np.float64))
        near = Pairs.concatenate([near, found])
        np.maximum(floor, kth_scores(near, k, len(queries)) - 2 * slack, out=floor)
        near = near.take(near.score >= floor[near.query])
    return near
