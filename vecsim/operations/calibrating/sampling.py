"""Chooses pairs to label: ranges of scores (strata), and a random sample within each.

Precision at a threshold weighs every match alike, and the number of matches grows exponentially as
the score falls. So the strata are cut evenly on the logarithm of the number of matches: each holds
a fixed factor more than all above it. Around the threshold in question the strata are narrow and
get most of the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vecsim.index import Snapshot
from vecsim.index.join import join_pairs
from vecsim.index.match_blocks import MatchBlock, sorted_with_rows
from vecsim.index.searchers import LocalSearcher
from vecsim.operations.calibrating.counting import BINS, STEP, ScoreCounts, bins_of, score_of
from vecsim.operations.calibrating.estimating import Labels
from vecsim.records import Float64, Int64
from vecsim.results import Pairs

_MATCHES_PER_IMAGE = 10  # where the widest sample ends: few images have more duplicates
_FIRST = 10  # pairs above which the cutting begins
_STRATA = 10
_REFINED = 12


@dataclass(frozen=True, slots=True)
class Stratum:
    """The `pairs` in the bins from `low` up to, not including, `high`; `draws` are labelled."""

    low: int
    high: int
    pairs: int
    draws: int


def initial_strata(
    counts: ScoreCounts, images: int, draws: int, centre: int | None
) -> list[Stratum]:
    """Cut strata over all scores that may matter, when nothing is labelled yet.

    They end at ten matches for each of `images` images, or at four times the matches of `centre`
    (the bin of the present threshold) if that is lower. Those within a factor of three of
    the matches of `centre` get four times the labels of the others.
    """
    most = _MATCHES_PER_IMAGE * images
    if centre is not None:
        most = max(most, 4 * int(counts.tail[centre]))
    edges = _edges(counts, min(_FIRST, most), most, _STRATA)
    weights = np.ones(len(edges) - 1)
    if centre is not None and counts.tail[centre]:
        around = np.abs(np.log(counts.tail[edges[:-1]] / counts.tail[centre])) <= np.log(3)
        weights[around] = 4
    return _allocate(counts, edges, weights, draws)


def refined_strata(counts: ScoreCounts, draws: int, centre: int) -> list[Stratum]:
    """Cut strata above the bin `centre`, which may be recommended: see `candidate`.

    They end at a little more than its matches. Labels are distributed in proportion to the pairs,
    so that they count almost as those of a simple random sample.
    """
    matches = max(1, int(counts.tail[centre]))
    edges = _edges(counts, max(_FIRST, matches / 8), 1.1 * matches, _REFINED)
    return _allocate(counts, edges, _sizes(counts, edges).astype(np.float64), draws)


def _edges(counts: ScoreCounts, least: float, most: float, number: int) -> Int64:
    """Cut the pairs of the highest scores, up to about `most`, into strata: ascending bins.

    All but the last are thresholds that are reported, so that any of them can be recommended.
    """
    most = min(most, counts.total)
    wanted = np.geomspace(min(least, most), most, number)
    # The highest bin at whose threshold there are at least this many matches.
    cut = np.searchsorted(-counts.tail, -wanted, side="right") - 1
    return np.unique(np.append(cut // STEP * STEP, BINS))


def _allocate(counts: ScoreCounts, edges: Int64, weights: Float64, draws: int) -> list[Stratum]:
    """Distribute `draws` labels by `weights`: at least two to a stratum, at most all its pairs.

    By the divisor method of Sainte-Laguë: each next label goes to the stratum that is furthest
    below its share.
    """
    sizes = _sizes(counts, edges)
    given = np.minimum(sizes, 2)
    while given.sum() < draws and (given < sizes).any():
        priority = np.where(given < sizes, weights / (given + 0.5), -1)
        given[np.argmax(priority)] += 1
    return [
        Stratum(*map(int, stratum))
        for stratum in zip(edges[:-1], edges[1:], sizes, given, strict=True)
    ]


def _sizes(counts: ScoreCounts, edges: Int64) -> Int64:
    """Count the pairs from each edge up to the next."""
    return -np.diff(counts.tail[edges])


def candidate(counts: ScoreCounts, labels: Labels, precision: float) -> int:
    """Return the bin that further labels should support as threshold for `precision`.

    Half of the errors that `precision` allows are expected there: where all are, no number of
    labels would show that there are not more.
    """
    return likely_threshold(counts, labels, (1 + precision) / 2)


def likely_threshold(counts: ScoreCounts, labels: Labels, precision: float) -> int:
    """Estimate the bin where precision falls to `precision`.

    By a logistic regression of the labels on the score, all weighted alike. It only decides what is
    drawn; no estimate rests on it.
    """
    bins = np.arange(BINS)
    scale = max(1.0, float(np.std(labels.bins)))
    middle = float(np.mean(labels.bins))
    x = ((labels.bins - middle) / scale).astype(np.float64)
    beta = _logistic_fit(x, labels.same.astype(np.float64))
    curve = 1 / (1 + np.exp(-np.clip(beta[0] + beta[1] * (bins - middle) / scale, -30, 30)))
    same = np.cumsum((curve * counts.counts)[::-1])[::-1]
    matches = counts.tail[:-1]
    fitting = (same >= precision * matches) & (bins >= labels.floor) & (matches > 0)
    found = np.flatnonzero(fitting)
    return int(found[0]) if len(found) else int(labels.bins.max())


def _logistic_fit(x: Float64, y: Float64) -> Float64:
    """Fit a logistic regression by Newton's method; returns intercept and slope, (2,).

    Weak normal priors keep them finite where the labels are separable.
    """
    beta = np.array([0.0, 1.0])
    prior = np.array([0.01, 0.05])
    design = np.stack([np.ones_like(x), x], axis=1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (y - p) - prior * (beta - [0.0, 1.0])
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(prior)
        beta = beta + np.clip(np.linalg.solve(hessian, gradient), -2, 2)
    return beta


@dataclass(frozen=True, slots=True)
class Sample:
    """Pairs to label, in an order that mixes the strata. `strata` (n, 2): bins of each pair's."""

    block: MatchBlock
    strata: Int64


def draw_pairs(
    queries: Snapshot,
    references: Snapshot,
    strata: Sequence[Stratum],
    *,
    seed: int,
    labelled: Pairs | None = None,
) -> Sample:
    """Draw the pairs of `strata` without replacement; `labelled` ones (by key) are not drawn again.

    The same index, strata and seed draw the same pairs. All pairs are enumerated and not kept.
    """
    random = np.random.default_rng(seed)
    known = set() if labelled is None else _key_pairs(labelled)
    lows = np.array([stratum.low for stratum in strata])
    # As many more as were labelled before: those that come up again are skipped.
    extra = np.zeros(len(strata), np.int64)
    if labelled is not None:
        numbers = _strata_of(labelled, lows)
        extra = np.bincount(numbers[numbers >= 0], minlength=len(strata))
    ranks = [
        random.choice(stratum.pairs, min(stratum.pairs, stratum.draws + more), replace=False)
        for stratum, more in zip(strata, extra.tolist(), strict=True)
    ]
    searcher = LocalSearcher(references, score_of(int(lows[0])))
    parts: list[Pairs] = []
    found = _pairs_by_rank(join_pairs(queries, references, searcher), lows, ranks)
    for stratum, pairs in zip(strata, found, strict=True):
        parts += [pair for pair in pairs if not _key_pairs(pair) & known][: stratum.draws]
    block = sorted_with_rows(Pairs.concatenate(parts), queries, references)
    mixed = block.pairs.take(random.permutation(len(block.pairs)))
    bounds = np.array([(stratum.low, stratum.high) for stratum in strata], np.int64)
    block = MatchBlock(mixed, block.queries, block.references)
    return Sample(block, bounds[_strata_of(mixed, lows)])


def _pairs_by_rank(
    blocks: Iterable[Pairs], lows: Int64, ranks: Sequence[Int64]
) -> list[list[Pairs]]:
    """Return for each stratum the pairs with the given ranks (numbers among its pairs), in order.

    The order of the ranks is random, so that the first ones wanted are a random sample too.
    """
    found: list[list[tuple[int, Pairs]]] = [[] for _ in ranks]
    seen = np.zeros(len(ranks), np.int64)
    for pairs in blocks:
        numbers = _strata_of(pairs, lows)
        for number, wanted in enumerate(ranks):
            rows = np.flatnonzero(numbers == number)
            here = (wanted >= seen[number]) & (wanted < seen[number] + len(rows))
            for turn in np.flatnonzero(here).tolist():
                row = rows[wanted[turn] - seen[number]]
                found[number].append((turn, pairs.take(np.array([row]))))
            seen[number] += len(rows)
    return [[pair for _, pair in sorted(pairs, key=lambda item: item[0])] for pairs in found]


def _strata_of(pairs: Pairs, lows: Int64) -> Int64:
    """Return the number of the stratum of each pair: int64 (n,), -1 below the lowest."""
    return np.searchsorted(lows, bins_of(pairs.score), side="right") - 1


def _key_pairs(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.query.tolist(), pairs.reference.tolist(), strict=True))
