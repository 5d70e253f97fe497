"""Precision and recall from labels: against the known truth, and in cases counted by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from support.truth import Truth, label, labelled_until_recommended
from vecsim.operations.calibrating.counting import BINS, ScoreCounts, bins_of, score_of
from vecsim.operations.calibrating.estimating import (
    Labels,
    binomial_interval,
    estimates,
    labels_missing,
    recommend,
    share_of_same,
)
from vecsim.operations.calibrating.sampling import initial_strata, likely_threshold, refined_strata


def labels_of(*rows: tuple[float, bool], edges: tuple[float, ...]) -> Labels:
    scores, same = zip(*rows, strict=True)
    return Labels(bins_of(np.array(scores)), np.array(same), bins_of(np.array(edges)))


def counts_of(**pairs: int) -> ScoreCounts:
    counts = np.zeros(BINS, np.int64)
    for thousandth, count in pairs.items():
        counts[1000 + int(thousandth[1:])] = count
    return ScoreCounts(counts)


def test_scores_on_an_edge_fall_into_the_upper_bin() -> None:
    scores = np.array([-1.0, -0.000001, 0.0, 0.844999, 0.845, 0.999999, 1.0])
    assert bins_of(scores).tolist() == [0, 999, 1000, 1844, 1845, 1999, 2000]
    assert score_of(1845) == 0.845


def test_a_share_weighs_strata_by_their_pairs() -> None:
    counts = counts_of(t900=100, t800=300)
    labels = labels_of((0.9, True), (0.9, True), (0.8, True), (0.8, False), edges=(0.8, 0.9))
    share = share_of_same(counts, labels, 1800, BINS)
    assert share is not None
    assert share.value == pytest.approx((100 * 1.0 + 300 * 0.5) / 400)
    assert share.low < 0.3 and share.high > 0.9  # two labels of three quarters of the pairs
    above = share_of_same(counts, labels, 1900, BINS)
    assert above is not None and above.value == 1.0 and above.high == 1.0 and above.low < 0.5


def test_a_fully_labelled_stratum_is_known_exactly() -> None:
    counts = counts_of(t900=2, t800=2)
    labels = labels_of((0.9, True), (0.9, True), (0.8, True), (0.8, False), edges=(0.8, 0.9))
    (low, *_, high) = estimates(counts, labels)
    assert (low.threshold, low.precision.low, low.precision.high) == (0.8, 0.75, 0.75)
    assert (high.threshold, high.precision.value, high.recall.value) == (0.9, 1.0, 2 / 3)
    assert high.recall.low == high.recall.high
    best = recommend([*estimates(counts, labels)], 0.95)
    assert best is not None and best.threshold == 0.9  # not 0.805, though nothing lies between


def test_too_few_labels_recommend_nothing() -> None:
    counts = counts_of(t900=1000, t800=3000)
    labels = labels_of(*[(0.9, True)] * 5, *[(0.8, False)] * 5, edges=(0.8, 0.9))
    assert recommend([*estimates(counts, labels)], 0.95) is None


@pytest.mark.parametrize(
    ("same", "labels", "low", "high"),
    [(0, 10, 0.0, 0.308497), (10, 10, 0.691503, 1.0), (48, 50, 0.862859, 0.995117)],
)
def test_the_interval_is_clopper_and_pearson_s(
    same: int, labels: int, low: float, high: float
) -> None:
    assert binomial_interval(same / labels, labels) == pytest.approx((low, high), abs=1e-5)


def test_strata_cover_all_pairs_once_and_use_all_labels() -> None:
    counts = Truth.synthetic(midpoint=0.8, slope=60).counts
    for strata in (initial_strata(counts, 20_000, 50, 1845), refined_strata(counts, 50, 1820)):
        assert sum(stratum.draws for stratum in strata) == 50
        assert all(a.high == b.low for a, b in pairwise(strata))
        assert strata[-1].high == BINS
        assert all(0 < s.draws <= s.pairs == counts.pairs_between(s.low, s.high) for s in strata)


def test_labels_locate_the_likely_threshold() -> None:
    truth = Truth.synthetic(midpoint=0.8, slope=60)
    random = np.random.default_rng(1)
    labels = label(truth, initial_strata(truth.counts, 20_000, 400, 1845), random)
    found = score_of(likely_threshold(truth.counts, labels, 0.95))
    assert truth.precision(bins_of(np.array(found))) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(("midpoint", "slope"), [(0.8, 60), (0.87, 40), (0.8, 25)])
@pytest.mark.ci
def test_a_recommended_threshold_has_the_precision_asked_for(midpoint: float, slope: float) -> None:
    """Acceptance, small: benchmarks/calibration.py has 200 repetitions on real scores."""
    truth = Truth.synthetic(midpoint=midpoint, slope=slope)
    recommended = enough = held = 0
    for seed in range(40):
        best, _ = labelled_until_recommended(truth, seed)
        if best is not None:
            recommended += 1
            enough += truth.precision(best.bin) >= 0.95
            held += best.precision.low <= truth.precision(best.bin) <= best.precision.high
    assert recommended >= 30
    assert min(enough, held) >= 0.95 * recommended


def test_pairs_without_a_label_lower_no_threshold() -> None:
    """Below the labelled pairs of a stratum, the estimate is theirs; it recommends nothing."""
    counts = counts_of(t900=200, t850=200, t800=2000)
    labels = labels_of(*[(0.9, True)] * 190, *[(0.8, False)] * 2, edges=(0.8, 0.9))
    by_threshold = {each.threshold: each for each in estimates(counts, labels)}
    assert by_threshold[0.85].precision.low > 0.95 and not by_threshold[0.85].sampled
    best = recommend([*by_threshold.values()], 0.95)
    assert best is not None and best.threshold == 0.9


def test_all_labels_the_same_are_enough_only_from_72_on() -> None:
    counts = counts_of(t900=100_000)
    for number, expected in ((50, None), (71, None), (72, 0.9)):
        labels = labels_of(*[(0.9, True)] * number, edges=(0.9,))
        found = [*estimates(counts, labels)]
        best = recommend(found, 0.95)
        assert (best and best.threshold) == expected
    fifty = labels_of(*[(0.9, True)] * 50, edges=(0.9,))
    assert labels_missing([*estimates(counts, fifty)], 1900, 0.95) == 40


def test_the_intervals_of_all_thresholds_contain_the_truth() -> None:
    truth = Truth.synthetic(midpoint=0.85, slope=40)
    held = told = 0
    for seed in range(40):
        labels = label(
            truth, initial_strata(truth.counts, 20_000, 50, 1845), np.random.default_rng(seed)
        )
        for estimate in estimates(truth.counts, labels):
            told += 2
            for share, true in (
                (estimate.precision, truth.precision(estimate.bin)),
                (estimate.recall, truth.recall(estimate.bin, labels.floor)),
            ):
                held += share.low - 1e-9 <= true <= share.high + 1e-9
    assert held / told >= 0.95
