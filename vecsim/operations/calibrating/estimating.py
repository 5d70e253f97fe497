"""Precision and recall at each threshold, from a few labelled pairs of a stratified sample.

The estimator is design-based: it assumes nothing about how similarity depends on the score. Pairs
were drawn at random within ranges of scores (strata) whose numbers of pairs are known exactly, so a
share over several strata is the mean of the strata's own shares, weighted by their pairs.

Its interval is that of Korn and Graubard (1998, Survey Methodology 24, 193-201; recommended for
proportions by the U.S. National Center for Health Statistics, Parker et al. 2017, Vital and Health
Statistics 2(175)): the exact binomial interval of Clopper and Pearson for as many labels as a plain
random sample would need for the same variance. Here that number is the smaller of the one from the
measured variance and Kish's, from the weights alone, which also holds where all labels agree; both
with the correction for a stratum of which much is labelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vecsim.operations.calibrating.counting import STEP, ScoreCounts, score_of
from vecsim.records import Bool, Int64

LEVEL = 0.95
WIDEST = 0.15  # an interval wider than this does not show that precision is too low


@dataclass(frozen=True, slots=True)
class Labels:
    """Labelled pairs: the bin of each one's score (n,), whether it is the same picture (n,).

    `edges`: bins at which the strata of their samples begin, ascending.
    """

    bins: Int64
    same: Bool
    edges: Int64

    def __len__(self) -> int:
        return len(self.bins)

    @property
    def floor(self) -> int:
        """The bin below which nothing was drawn."""
        return int(self.edges[0])


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval. `labels`: how many it rests on; `effective_labels`: how many of a
    simple random sample would have the same variance.
    """

    value: float
    low: float
    high: float
    labels: int
    effective_labels: float

    @property
    def width(self) -> float:
        """The width of the interval."""
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the labels say of one threshold (a bin). `recall` counts from the labels' floor up.

    `sampled`: whether a stratum begins here, so that the labels from here up were drawn from
    exactly the pairs that match, or all of these are labelled. At other thresholds the lowest pairs
    may have no label; their share of same pictures is taken from higher scores.
    """

    bin: int
    matches: int
    precision: Share
    recall: Share
    sampled: bool

    @property
    def threshold(self) -> float:
        """The threshold as a score."""
        return score_of(self.bin)


def share_of_same(
    counts: ScoreCounts, labels: Labels, low: int, high: int, level: float = LEVEL
) -> Share | None:
    """Estimate the share of same pictures among pairs of bins [low, high); None without labels."""
    cells = _cells(counts, labels, low, high)
    if not cells:
        return None
    pairs, drawn, same = (np.array(column, float) for column in zip(*cells, strict=True))
    weight = pairs / pairs.sum()
    shares = same / drawn
    value = float(min(1.0, weight @ shares))
    # The variance of the weighted mean is the sum of these times each stratum's own variance.
    spread = weight**2 * (1 - drawn / pairs) / drawn
    if spread.sum() <= 0:  # every pair is labelled
        return Share(value, value, value, int(drawn.sum()), float("inf"))
    worth = 1 / float(spread.sum())
    variance = float(spread @ (shares * (1 - shares)))
    if variance > 0:
        worth = min(worth, value * (1 - value) / variance)
    return Share(value, *binomial_interval(value, worth, level), int(drawn.sum()), worth)


def binomial_interval(value: float, number: float, level: float = LEVEL) -> tuple[float, float]:
    """Return Clopper and Pearson's interval for a share `value` of `number` draws.

    Their hits, `value * number`, need not be whole.
    """
    from scipy.special import betaincinv

    if number <= 0:
        return 0.0, 1.0
    beyond = (1 - level) / 2
    hits = value * number
    misses = number - hits
    low = float(betaincinv(hits, misses + 1, beyond)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, misses, 1 - beyond)) if misses > 1e-9 else 1.0
    return min(low, value), max(high, value)


def _cells(counts: ScoreCounts, labels: Labels, low: int, high: int) -> list[tuple[int, int, int]]:
    """Divide bins into ranges within one stratum of every sample: (pairs, labels, same) of each.

    The strata of several samples cut each other; within a cell the labels of all are one plain
    sample. A cell without a label joins the next higher one, at the top the next lower one.
    """
    inner = labels.edges[(labels.edges > low) & (labels.edges < high)]
    edges = [low, *inner.tolist(), high]
    cells: list[tuple[int, int, int]] = []
    waiting = 0
    for start, stop in pairwise(edges):
        there = (labels.bins >= start) & (labels.bins < stop)
        pairs = counts.pairs_between(start, stop) + waiting
        drawn = int(there.sum())
        if drawn:
            cells.append((max(pairs, drawn), drawn, int(labels.same[there].sum())))
        waiting = 0 if drawn else pairs
    if cells and waiting:
        pairs, drawn, same = cells[-1]
        cells[-1] = (pairs + waiting, drawn, same)
    return cells


def estimates(counts: ScoreCounts, labels: Labels) -> Iterator[Estimate]:
    """Yield what the labels say of each threshold from their floor up, ascending."""
    top = len(counts.counts)
    starts = {-(-edge // STEP) * STEP for edge in labels.edges.tolist()}
    for bin_ in counts.thresholds.tolist():
        if bin_ < labels.floor:
            continue
        precision = share_of_same(counts, labels, bin_, top)
        if precision is not None:
            matches = int(counts.tail[bin_])
            recall = _recall(counts, labels, bin_, precision)
            sampled = bin_ in starts or precision.labels == matches
            yield Estimate(bin_, matches, precision, recall, sampled)


def _recall(counts: ScoreCounts, labels: Labels, bin_: int, precision: Share) -> Share:
    """Estimate the share of same pictures that are found: from the bin up, of those from the floor.

    The labels below and above are two independent samples. The interval takes the low end of one
    with the high end of the other, each at the level that makes both right often enough: it is
    wide rather than wrong.
    """
    top = len(counts.counts)
    level = 1 - (1 - LEVEL) / 2
    below = share_of_same(counts, labels, labels.floor, bin_, level)
    above = share_of_same(counts, labels, bin_, top, level)
    if below is None or above is None:
        missed = counts.pairs_between(labels.floor, bin_)
        least = _part(precision.low * counts.tail[bin_], missed)
        low = least if missed else 1.0
        return Share(1.0, low, 1.0, precision.labels, precision.effective_labels)
    found, missed = int(counts.tail[bin_]), counts.pairs_between(labels.floor, bin_)
    return Share(
        _part(above.value * found, below.value * missed),
        _part(above.low * found, below.high * missed),
        _part(above.high * found, below.low * missed),
        above.labels + below.labels,
        above.effective_labels + below.effective_labels,
    )


def _part(found: float, missed: float) -> float:
    return float(found / (found + missed)) if found + missed > 0 else 1.0


def recommend(found: list[Estimate], precision: float) -> Estimate | None:
    """Return the lowest threshold whose precision is at least `precision` by its lower end.

    The lower end of a 95 % interval is above the true precision in at most one of 40 samples.
    Searching for the lowest threshold would favour those whose lowest pairs happen to have no
    label, so only `sampled` ones count; and the search ends at the first that is estimated, with an
    interval no wider than 0.15, below `precision`. Where no pair lies between it and higher ones,
    the highest of them is returned. None where there is none.
    """
    best: Estimate | None = None
    for estimate in reversed([each for each in found if each.sampled]):
        share = estimate.precision
        if share.value < precision and share.width <= WIDEST:
            break
        if share.low >= precision and (best is None or estimate.matches != best.matches):
            best = estimate
    return best


def labels_missing(found: list[Estimate], bin_: int, precision: float) -> int:
    """Estimate how many more labels near a bin recommend it if nearly all say "same", in tens.

    At most the pairs from there up that have no label.
    """
    there = [each for each in found if each.bin <= bin_]
    worth = min(there[-1].precision.effective_labels if there else 0.0, 1e6)
    unlabelled = there[-1].matches - there[-1].precision.labels if there else np.inf
    # All of n labels say "same": the lower end is the n-th root of half of what the level leaves.
    needed = np.log((1 - LEVEL) / 2) / np.log(precision) if precision < 1 else np.inf
    # Of the labels of a closer look about two thirds count at the threshold itself.
    missing = min((needed - worth) * 1.5, unlabelled)
    return 10 if np.isinf(missing) else max(10, int(np.ceil(missing / 10)) * 10)
