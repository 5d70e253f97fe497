"""Which pairs to label: ranges of scores (strata), and how many pairs of each.

Precision at a threshold weighs every match alike, and the number of matches grows by the same
factor over and over as the score falls. So the strata are cut evenly on the logarithm of the number
of matches: each holds a fixed factor more than what lies above it. Around the threshold in question
the strata are narrow and get most of the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vecsim.operations.calibrating.counting import BINS, ScoreCounts
from vecsim.operations.calibrating.estimating import Labels
from vecsim.records import Float64, Int64

_MATCHES_PER_IMAGE = 10  # nobody's duplicates are more: where the widest look ends
_FIRST = 10  # pairs above which the cutting begins
_STRATA = 10


@dataclass(frozen=True, slots=True)
class Stratum:
    """The `pairs` in the bins from `low` up to, not including, `high`; `draws` are labelled."""

    low: int
    high: int
    pairs: int
    draws: int


def first_look(counts: ScoreCounts, images: int, draws: int, centre: int | None) -> list[Stratum]:
    """Strata over all scores that may matter, when nothing is labelled yet.

    They end at ten matches for each of `images` images, or at four times the matches of `centre`
    (the bin of the present threshold) if that is lower. Those within a factor of three of
    the matches of `centre` get four times the labels of the others.
    """
    most = _MATCHES_PER_IMAGE * images
    if centre is not None:
        most = max(most, 4 * int(counts.tail[centre]))
    edges = _edges(counts, min(_FIRST, most), most, _STRATA)
    wish = np.ones(len(edges) - 1)
    if centre is not None and counts.tail[centre]:
        around = np.abs(np.log(counts.tail[edges[:-1]] / counts.tail[centre])) <= np.log(3)
        wish[around] = 4
    return _allocate(counts, edges, wish, draws)


def closer_look(counts: ScoreCounts, draws: int, centre: int) -> list[Stratum]:
    """Strata around the bin `centre`, where the precision asked for was found.

    From one and a half times its matches up; the more pairs a stratum has, the more labels.
    """
    matches = max(1, int(counts.tail[centre]))
    edges = _edges(counts, max(_FIRST, matches / 8), 1.5 * matches, 8)
    return _allocate(counts, edges, _sizes(counts, edges).astype(np.float64) ** 0.75, draws)


def _edges(counts: ScoreCounts, least: float, most: float, number: int) -> Int64:
    """Ascending bins that cut the pairs of the highest scores, up to about `most`, into strata."""
    most = min(most, counts.total)
    wanted = np.geomspace(min(least, most), most, number)
    # The highest bin from which on there are at least so many matches.
    cut = np.searchsorted(-counts.tail, -wanted, side="right") - 1
    return np.unique(np.append(cut, BINS))


def _allocate(counts: ScoreCounts, edges: Int64, wish: Float64, draws: int) -> list[Stratum]:
    """Give out `draws` labels by `wish`: at least two to a stratum, at most all its pairs."""
    room = _sizes(counts, edges)
    given = np.minimum(room, 2)
    while given.sum() < draws and (given < room).any():
        hungry = np.where(given < room, wish / (given + 0.5), -1)
        given[np.argmax(hungry)] += 1
    return [
        Stratum(*map(int, stratum))
        for stratum in zip(edges[:-1], edges[1:], room, given, strict=True)
    ]


def _sizes(counts: ScoreCounts, edges: Int64) -> Int64:
    """Pairs from each edge up to the next."""
    return -np.diff(counts.tail[edges])


def likely_threshold(counts: ScoreCounts, labels: Labels, precision: float) -> int:
    """The bin at which precision probably falls to `precision`: where to look more closely.

    By a logistic curve through the labels, each weighted alike. It only decides what is drawn; no
    estimate rests on it.
    """
    bins = np.arange(BINS)
    scale = max(1.0, float(np.std(labels.bins)))
    middle = float(np.mean(labels.bins))
    x = (labels.bins - middle) / scale
    y = labels.same.astype(float)
    # Newton's steps for intercept and slope, held back by weak normal priors.
    beta = np.array([0.0, 1.0])
    prior = np.array([0.01, 0.05])
    design = np.stack([np.ones_like(x), x], axis=1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (y - p) - prior * (beta - [0.0, 1.0])
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(prior)
        beta = beta + np.clip(np.linalg.solve(hessian, gradient), -2, 2)
    curve = 1 / (1 + np.exp(-np.clip(beta[0] + beta[1] * (bins - middle) / scale, -30, 30)))
    found = np.cumsum((curve * counts.counts)[::-1])[::-1]
    fine = (found >= precision * counts.tail[:-1]) & (bins >= labels.floor) & (counts.tail[:-1] > 0)
    there = np.flatnonzero(fine)
    return int(there[0]) if len(there) else int(labels.bins.max())
