"""A simulated population of pairs with known labels, and people who label some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecsim.operations.calibrating.counting import BINS, ScoreCounts
from vecsim.operations.calibrating.estimating import Estimate, Labels, estimates, recommend
from vecsim.operations.calibrating.sampling import (
    Stratum,
    candidate,
    initial_strata,
    refined_strata,
)
from vecsim.records import Int64


@dataclass(frozen=True)
class Truth:
    """Counts of pairs, and of pairs of the same picture, per thousandth of the score."""

    counts: ScoreCounts
    same: Int64

    @classmethod
    def synthetic(cls, *, midpoint: float, slope: float, counts: Int64 | None = None) -> Truth:
        """Share of same pictures by a logistic curve; a twentieth of the pairs per 0.1 of score."""
        scores = (np.arange(BINS) - 1000) / 1000
        if counts is None:
            counts = np.rint(100 * np.exp(30 * (0.9 - scores)))
            counts = np.where((scores > 0.6) & (scores < 1), counts, 0).astype(np.int64)
        likely = 1 / (1 + np.exp(-slope * (scores - midpoint)))
        return cls(ScoreCounts(counts), np.random.default_rng(0).binomial(counts, likely))

    def precision(self, bin_: int) -> float:
        """The true one at the threshold of a bin."""
        return float(self.same[bin_:].sum() / self.counts.tail[bin_])

    def recall(self, bin_: int, floor: int) -> float:
        """The true one, of the same pictures from `floor` up."""
        return float(self.same[bin_:].sum() / self.same[floor:].sum())


def label(
    truth: Truth,
    strata: Sequence[Stratum],
    random: np.random.Generator,
    known: Labels | None = None,
) -> Labels:
    """Draw pairs of the strata at random, none of the `known` ones again, and label them correctly.

    Returns the known labels too.
    """
    pairs, right = truth.counts.counts.copy(), truth.same.copy()
    if known is not None:
        pairs -= np.bincount(known.bins, minlength=BINS)
        right -= np.bincount(known.bins[known.same], minlength=BINS)
    bins, same = [], []
    for stratum in strata:
        left = pairs[stratum.low : stratum.high]
        number = min(stratum.draws, int(left.sum()))
        drawn = random.multivariate_hypergeometric(left, number, method="marginals")
        for bin_ in np.flatnonzero(drawn).tolist():
            at, number = bin_ + stratum.low, int(drawn[bin_])
            good = random.hypergeometric(int(right[at]), int(pairs[at] - right[at]), number)
            bins += [at] * number
            same += [True] * good + [False] * (number - good)
    edges = np.array([stratum.low for stratum in strata])
    labels = Labels(np.array(bins, np.int64), np.array(same, bool), edges)
    if known is None:
        return labels
    return Labels(
        np.concatenate([known.bins, labels.bins]),
        np.concatenate([known.same, labels.same]),
        np.union1d(known.edges, edges),
    )


def labelled_until_recommended(
    truth: Truth,
    seed: int,
    *,
    images: int = 20_000,
    present: int | None = 1845,
    precision: float = 0.95,
    pairs: int = 50,
    rounds: int = 6,
) -> tuple[Estimate | None, int]:
    """Do as the command tells: label 50, then 50 more near the threshold until one is recommended.

    Returns the recommendation, if it came, and the number of labels.
    """
    random = np.random.default_rng(seed)
    labels = label(truth, initial_strata(truth.counts, images, pairs, present), random)
    for _ in range(rounds - 1):
        best = recommend(list(estimates(truth.counts, labels)), precision)
        if best is not None:
            return best, len(labels)
        centre = candidate(truth.counts, labels, precision)
        labels = label(truth, refined_strata(truth.counts, pairs, centre), random, labels)
    return recommend(list(estimates(truth.counts, labels)), precision), len(labels)
