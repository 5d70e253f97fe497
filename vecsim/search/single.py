"""One query against a sketch: the coarse level of all references, the fine one of what is left."""

from __future__ import annotations

import numpy as np

from vecsim.records import Int64, Pairs
from vecsim.search.check import Check
from vecsim.search.cores import all_cores
from vecsim.search.kernel import Int8, Int32, Packed
from vecsim.search.queries import Queries
from vecsim.search.score import score_pairs
from vecsim.search.sketch import Sketch, least_sums

FEW = 8  # up to so many queries are searched one by one
SLICE = 1 << 18  # references that a thread takes at once: below, starting threads costs more
LEARNT = 1 << 16  # references that tell how good the k best must be at least
TRIED = 64  # so many of the best bounds (or 4 k) are scored to learn what the k best must beat
DENSE = 0.2  # of all references: more survivors are not picked out, all are read in order
REMOVED = -(2**31)  # the bound of a reference that is never reported


def survivors(
    queries: Queries, row: int, sketch: Sketch, check: Check, first: int = 0, k: int | None = None
) -> Pairs:
    """Every pair of query `row` that counts, of references from row `first` on.

    With `k`, only the k best count and those that tie with the k-th: the query's threshold in
    `check` is raised as far as they allow.
    """
    left: Int64 | None = None  # reference rows that may count; None: all
    for number, level in enumerate(sketch.axes.levels):
        mine = queries.rows(sketch.axes, number)
        sums = _sums(mine.codes[row], sketch, number, left, first)
        if check.alive is not None:
            sums[~(check.alive[first:] if left is None else check.alive[left])] = REMOVED
        own = mine.offsets[row : row + 1]
        fine = np.flatnonzero(sums >= least_sums(level, own, check.thresholds[row : row + 1]))
        if k is not None:
            # Of those alone that may still count: to find the best of all takes longer.
            best = fine[_highest(sums[fine], k)]
            _learn(check, row, best + first if left is None else left[best], k)
            least = least_sums(level, own, check.thresholds[row : row + 1])
            fine = fine[sums[fine] >= least]
        left = fine + first if left is None else left[fine]
    assert left is not None  # axes have a level
    if len(left) > DENSE * (len(check.references) - first):
        return check.all(slice(row, row + 1), slice(first, len(check.references)))
    return check.one(row, left)


def learn(queries: Queries, row: int, sketch: Sketch, check: Check, k: int) -> None:
    """Raise the threshold of query `row` in `check` to one that its `k` best surely reach.

    It comes from the references with the best bounds among the first ones.
    """
    some = sketch.part(slice(0, LEARNT))
    sums = _sums(queries.rows(sketch.axes, 0).codes[row], some, 0, None, 0)
    if check.alive is not None:
        sums[~check.alive[: len(sums)]] = REMOVED
    _learn(check, row, _highest(sums, k), k)


def _highest(sums: Int32, k: int) -> Int64:
    """Where the highest bounds are that are worth a look for the `k` best."""
    count = min(len(sums), max(TRIED, 4 * k))
    best: Int64 = np.argpartition(sums, -count)[-count:] if count else np.empty(0, np.int64)
    return best


def _sums(query: Int8, sketch: Sketch, number: int, rows: Int64 | None, first: int) -> Int32:
    """Codes times codes plus offset for the references of `rows`, or all from `first` on."""
    references = sketch.levels[number]
    count = len(references) - first if rows is None else len(rows)
    packed = Packed(query[None, :])
    sums = np.empty(count, np.int32)

    def work(start: int) -> None:
        stop = min(start + SLICE, count)
        if rows is None:
            codes = references.codes[first + start : first + stop]
            offsets = references.offsets[first + start : first + stop]
        else:
            codes = references.codes.take(rows[start:stop], axis=0)
            offsets = references.offsets.take(rows[start:stop])
        packed.products(codes, sums[start:stop])
        sums[start:stop] += offsets

    starts = range(0, count, SLICE)
    if len(starts) > 1:
        with all_cores() as pool:
            list(pool.map(work, starts))
    elif count:
        work(0)
    return sums


def _learn(check: Check, row: int, references: Int64, k: int) -> None:
    """Raise the threshold of query `row` to the k-th best score among living `references`."""
    if check.alive is not None:
        references = references[check.alive[references]]
    if len(references) >= k:
        rows = np.full(len(references), row)
        scores = score_pairs(check.queries, check.references, rows, references)
        kth = np.partition(scores, -k)[-k]
        check.thresholds[row] = max(check.thresholds[row], kth)
