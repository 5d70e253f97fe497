"""Searches a block by its sketch: queries one by one through all levels, or many in tiles.

Both compute the bound of every pair as an exact integer (see `sketch`), keep the pairs whose bound
reaches the cutoff, and let a `CandidateScorer` score those. References that are not alive get the
lowest bound or are dropped by the scorer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import numpy as np

from vecsim.records import Bool, Int64, Pairs
from vecsim.search.blocks import Queries
from vecsim.search.products import THREAD_COUNT, Int8, Int32, PackedCodes, thread_pool
from vecsim.search.score import DENSE_SHARE, CandidateScorer, score_pairs
from vecsim.search.sketch import LevelCodes, Sketch, score_cutoffs

# -- one query: the coarse level of all references, the fine level of those that are left ------

ROWS_PER_THREAD = 1 << 18  # references per task: for fewer, starting threads costs more
MAX_PRIMING_ROWS = 1 << 16  # references whose bounds are read to raise a threshold beforehand
MIN_SCORED_BEST = 64  # so many of the best bounds (or 4 k) are scored to raise a threshold
# Of more survivors than this share, all references are read in order instead of picking them out.
MAX_GATHERED_SHARE = 0.2
REMOVED = -(2**31)  # the bound of a removed reference: below every cutoff but the lowest


def search_one(
    queries: Queries,
    row: int,
    sketch: Sketch,
    scorer: CandidateScorer,
    first: int = 0,
    k: int | None = None,
) -> Pairs:
    """Return the pairs of query `row` that reach its threshold, with references from row `first`.

    With `k`, only the k best pairs count and those that tie with the last of them: the query's
    threshold in `scorer` is raised as far as the bounds allow.
    """
    kept: Int64 | None = None  # reference rows still in question; None: all
    for number, level in enumerate(sketch.axes.levels):
        codes = queries.codes(sketch.axes, number)
        sums = _bound_sums(codes.codes[row], sketch, number, kept, first)
        if scorer.alive is not None:
            alive = scorer.alive[first:] if kept is None else scorer.alive[kept]
            sums[~alive] = REMOVED
        own = codes.offsets[row : row + 1]
        passed = np.flatnonzero(sums >= score_cutoffs(level, own, scorer.thresholds[row : row + 1]))
        if k is not None:
            # Among those that passed: finding the highest of all references takes longer.
            best = passed[_highest(sums[passed], k)]
            _raise_to_kth(scorer, row, best + first if kept is None else kept[best], k)
            cutoffs = score_cutoffs(level, own, scorer.thresholds[row : row + 1])
            passed = passed[sums[passed] >= cutoffs]
        kept = passed + first if kept is None else kept[passed]
    assert kept is not None  # axes have at least one level
    if len(kept) > MAX_GATHERED_SHARE * (len(scorer.references) - first):
        return scorer.score_rectangle(slice(row, row + 1), slice(first, len(scorer.references)))
    return scorer.filter_and_score_one(row, kept)


def raise_threshold(
    queries: Queries, row: int, sketch: Sketch, scorer: CandidateScorer, k: int
) -> None:
    """Raise the threshold of query `row` in `scorer` to a score that at least k references reach.

    Scores the references with the highest coarse bounds among the first `MAX_PRIMING_ROWS`.
    """
    head = sketch.slice_rows(slice(0, MAX_PRIMING_ROWS))
    sums = _bound_sums(queries.codes(sketch.axes, 0).codes[row], head, 0, None, 0)
    if scorer.alive is not None:
        sums[~scorer.alive[: len(sums)]] = REMOVED
    _raise_to_kth(scorer, row, _highest(sums, k), k)


def _highest(sums: Int32, k: int) -> Int64:
    """Return the positions of the highest bounds, as many as are scored to find the k best."""
    count = min(len(sums), max(MIN_SCORED_BEST, 4 * k))
    best: Int64 = np.argpartition(sums, -count)[-count:] if count else np.empty(0, np.int64)
    return best


def _raise_to_kth(scorer: CandidateScorer, row: int, references: Int64, k: int) -> None:
    """Raise the threshold of query `row` to the k-th best score among living `references`."""
    if scorer.alive is not None:
        references = references[scorer.alive[references]]
    if len(references) >= k:
        rows = np.full(len(references), row)
        scores = score_pairs(scorer.queries, scorer.references, rows, references)
        kth = np.partition(scores, -k)[-k]
        scorer.thresholds[row] = max(scorer.thresholds[row], kth)


def _bound_sums(query: Int8, sketch: Sketch, number: int, rows: Int64 | None, first: int) -> Int32:
    """Return codes.codes + offset of the references `rows`, or of all from row `first` on.

    `query` (w,): the query's codes at level `number`. Large blocks are computed on all cores.
    """
    references = sketch.levels[number]
    count = len(references) - first if rows is None else len(rows)
    packed = PackedCodes(query[None, :])
    sums = np.empty(count, np.int32)

    def compute(start: int) -> None:
        stop = min(start + ROWS_PER_THREAD, count)
        if rows is None:
            codes = references.codes[first + start : first + stop]
            offsets = references.offsets[first + start : first + stop]
        else:
            codes = references.codes.take(rows[start:stop], axis=0)
            offsets = references.offsets.take(rows[start:stop])
        packed.products(codes, sums[start:stop])
        sums[start:stop] += offsets

    starts = range(0, count, ROWS_PER_THREAD)
    if len(starts) > 1:
        with thread_pool() as pool:
            list(pool.map(compute, starts))
    elif count:
        compute(0)
    return sums


# -- many queries: one level, the bounds of all pairs in tiles, on all cores -------------------

TILE_QUERIES, TILE_REFERENCES = 128, 8192


def search_tiles(
    queries: Queries, sketch: Sketch, number: int, scorer: CandidateScorer, first: int = 0
) -> Iterator[Pairs]:
    """Yield all pairs that reach their thresholds, one part per strip of references.

    Only level `number` is read, of references from row `first` on. The thresholds of `scorer` may
    be raised between two parts. The next strip is submitted before a part is yielded, so that no
    core waits for the last tile of a strip.
    """
    level, references = sketch.axes.levels[number], sketch.levels[number]
    codes = queries.codes(sketch.axes, number)
    free: SimpleQueue[TileBuffers] = SimpleQueue()
    for _ in range(THREAD_COUNT):
        free.put(TileBuffers())
    pending: deque[Iterator[Pairs]] = deque()
    with thread_pool() as pool:
        for start in range(first, len(references), TILE_REFERENCES):
            part = references.slice_rows(slice(start, start + TILE_REFERENCES))
            strip = _Strip(start, PackedCodes(part.codes), part.offsets)
            cutoffs = score_cutoffs(level, codes.offsets, scorer.thresholds)
            search_tile = partial(_search_tile, free, codes, strip, cutoffs, scorer)
            pending.append(pool.map(search_tile, range(0, len(queries), TILE_QUERIES)))
            if len(pending) > 1:
                yield Pairs.concatenate(list(pending.popleft()))
        while pending:
            yield Pairs.concatenate(list(pending.popleft()))


@dataclass(frozen=True, slots=True)
class _Strip:
    """Consecutive references from row `start` on, packed for products with all queries."""

    start: int
    codes: PackedCodes
    offsets: Int32


def _search_tile(
    free: SimpleQueue[TileBuffers],
    queries: LevelCodes,
    strip: _Strip,
    cutoffs: Int32,
    scorer: CandidateScorer,
    top: int,
) -> Pairs:
    """Search the tile of `strip` whose first query is row `top`."""
    part = slice(top, top + TILE_QUERIES)
    buffers = free.get()
    try:
        rows, columns = buffers.survivors(queries.codes[part], strip, cutoffs[part])
    finally:
        free.put(buffers)
    tile_size = len(cutoffs[part]) * strip.codes.count
    if len(rows) > 2 * DENSE_SHARE * scorer.queries.shape[1] * tile_size:
        return scorer.score_rectangle(part, slice(strip.start, strip.start + strip.codes.count))
    return scorer.filter_and_score(rows + top, columns + strip.start)


class TileBuffers:
    """The memory in which one tile is computed, reused for the next."""

    def __init__(self) -> None:
        self._sums = np.empty(TILE_QUERIES * TILE_REFERENCES, np.int32)
        self._mask = np.empty(TILE_QUERIES * TILE_REFERENCES, np.bool_)

    def survivors(self, codes: Int8, strip: _Strip, cutoffs: Int32) -> tuple[Int64, Int64]:
        """Return where the bound reaches the cutoff of its query: (rows, columns) of the tile.

        `codes` (m, w) and `cutoffs` (m,): of the tile's queries.
        """
        sums = strip.codes.products(codes, self._sums)
        sums += strip.offsets
        mask = self._mask[: sums.size].reshape(sums.shape)
        np.greater_equal(sums, cutoffs[:, None], out=mask)
        rows, columns = np.divmod(sparse_flatnonzero(mask.reshape(-1)), max(1, sums.shape[1]))
        return rows, columns


def sparse_flatnonzero(mask: Bool) -> Int64:
    """Do what `np.flatnonzero` does, faster for a mask that is nearly all False.

    Eight values are compared at once, as one 64-bit integer.
    """
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    row, place = np.nonzero(mask[:whole].reshape(-1, 8)[words])
    return np.concatenate([words[row] * 8 + place, whole + np.flatnonzero(mask[whole:])])
