"""Searches a block for one query by its sketch, through all levels.

The bound of every pair is computed as an exact integer (see `sketch`). The pairs whose bound
reaches the cutoff are scored by a `CandidateScorer`. References that are not alive get the lowest
bound. First the coarse level of all references is read, then the fine level of those that are left.
"""

from __future__ import annotations

import numpy as np

from vecsim.records import Int64
from vecsim.results import Pairs
from vecsim.search.blocks import Queries
from vecsim.search.candidates import CandidateScorer
from vecsim.search.products import Int8, Int32, PackedCodes, thread_pool
from vecsim.search.score import product_margin, take_rows
from vecsim.search.sketch import Sketch, score_cutoffs

ROWS_PER_THREAD = 1 << 18  # references per task: for fewer, starting threads costs more
MAX_PRIMING_ROWS = 1 << 16  # references whose bounds are read to raise a threshold beforehand
MAX_PRIMING_SUMS = 1 << 21  # bounds that are in memory together meanwhile
MIN_SCORED_BEST = 64  # so many of the best bounds (or 4 k) are scored to raise a threshold
# Of more survivors than this share, all references are read in order instead of picking them out.
MAX_GATHERED_SHARE = 0.2
# References are divided into groups of HIGHEST_OF, of which only the highest bounds are compared,
# if there are at least SPREAD times as many groups as bounds are wanted.
HIGHEST_OF, SPREAD = 16, 4
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
        return scorer.score_rectangle(np.array([row]), slice(first, len(scorer.references)))
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
    count = min(len(sums), max(MIN_SCORED_BEST, 4 * k))
    if count:
        _raise_to_kth(scorer, row, _highest_of_columns(sums[:, None], count)[0], k)


def raise_thresholds(
    queries: Queries, rows: Int64, sketch: Sketch, scorer: CandidateScorer, k: int
) -> None:
    """Do the same for the queries `rows` (m,) together."""
    head = sketch.levels[0].slice_rows(slice(0, MAX_PRIMING_ROWS))
    count = min(len(head), max(MIN_SCORED_BEST, 4 * k))
    alive = None if scorer.alive is None else scorer.alive[: len(head)]
    if k > (len(head) if alive is None else np.count_nonzero(alive)):
        return
    codes = queries.codes_at(sketch.axes, 0, rows).codes
    step = max(1, MAX_PRIMING_SUMS // len(head))
    buffer = np.empty(min(step, len(rows)) * len(head), np.int32)
    for start in range(0, len(rows), step):
        # The queries are packed, since the references are many more.
        sums = PackedCodes(codes[start : start + step]).products(head.codes, buffer)
        sums += head.offsets[:, None]
        if alive is not None:
            sums[~alive] = REMOVED
        best = _highest_of_columns(sums, count)
        for row, own in zip(rows[start : start + step].tolist(), best, strict=True):
            _raise_to_kth(scorer, row, own, k)


def _highest_of_columns(sums: Int32, count: int) -> Int64:
    """Return rows of high bounds for each column of `sums` (n, m): int64 (m, count).

    Many rows are divided into groups of `HIGHEST_OF`: of the `count` groups with the highest bounds
    the best row each is returned. They are most of the highest rows, found in a fraction of the
    time that finding all of the highest takes.
    """
    height, width = len(sums) // HIGHEST_OF, sums.shape[1]
    if height < SPREAD * count:
        return np.ascontiguousarray(np.argpartition(sums, -count, axis=0)[-count:].T)
    parts = sums[: height * HIGHEST_OF].reshape(HIGHEST_OF, height, width)
    largest = np.ascontiguousarray(parts.max(axis=0).T)
    chosen = np.argpartition(largest, -count, axis=1)[:, -count:]
    places = parts[:, chosen, np.arange(width)[:, None]].argmax(axis=0)
    best: Int64 = places * height + chosen
    return best


def _highest(sums: Int32, k: int) -> Int64:
    """Return the positions of the highest bounds, as many as are scored to find the k best."""
    count = min(len(sums), max(MIN_SCORED_BEST, 4 * k))
    best: Int64 = np.argpartition(sums, -count)[-count:] if count else np.empty(0, np.int64)
    return best


def _raise_to_kth(scorer: CandidateScorer, row: int, references: Int64, k: int) -> None:
    """Raise the threshold of query `row` to a score that k of the living `references` reach.

    It is the k-th highest float32 product, less the most by which a product can exceed its score.
    """
    if scorer.alive is not None:
        references = references[scorer.alive[references]]
    if len(references) >= k:
        products = np.vecdot(take_rows(scorer.references, references), scorer.queries[row])
        kth = float(np.partition(products, -k)[-k]) - product_margin(scorer.queries.shape[1])
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
