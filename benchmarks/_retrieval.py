"""Measures how well scores tell copies from other pictures: recall and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
PRECISIONS = (0.99, 0.999)
KEPT = 2000  # highest scores of wrong pairs kept per query: enough at these precisions
SAME = 0.95  # pictures that any model scores as high may show the same thing


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one model. `by_edit`: recall at 99.9 % precision, and at the threshold."""

    threshold: float
    recall_at: dict[str, tuple[float, float]]  # precision: recall, and the threshold that gives it
    mean_average_precision: float
    recall: float
    false_edited: int
    pairs_edited: int
    false_unedited: int
    pairs_unedited: int
    by_edit: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class FalsePair:
    """A query and a reference that show something else; its best edited copy, and their score.

    `edit`: None for two unedited pictures, of which `query` is a number among the references too.
    """

    score: float
    edit: int | None
    query: int
    reference: int


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """`figures`; `curve`: recall and precision by falling threshold (2, points).

    `false`: the highest-scoring false pairs, one for each query and reference; `unedited`: those of
    two unedited pictures.
    """

    figures: Figures
    curve: Vectors
    false: list[FalsePair]
    unedited: list[FalsePair]


def measure(
    copies: Vectors,
    distractors: Vectors,
    edits: Sequence[str],
    threshold: float,
    pictures: Sequence[object] | None = None,
) -> Measured:
    """Measure unit vectors: `copies` (q, 1 + edits, dim), originals first, `distractors` (n, dim).

    With orientations, `copies` is (q, 1 + edits, orientations, dim), originals in the first. Each
    edited copy searches among all originals and distractors, by its best orientation; only its own
    original is right. `pictures`: what each original and distractor shows; other pairs that show
    one picture count neither as right nor as wrong.
    """
    if copies.ndim == 3:
        copies = copies[:, :, None]
    originals, edited = copies[:, 0, 0], copies[:, 1:]
    references = np.concatenate([originals, distractors])
    _, shown = np.unique(
        [str(each) for each in (pictures or range(len(references)))], return_inverse=True
    )
    right = np.einsum("qefd,qd->qef", edited, originals).max(axis=2)
    wrong: list[Vectors] = []
    precisions: list[NDArray[np.float64]] = []
    false: list[FalsePair] = []
    false_edited = 0
    for query in range(len(copies)):
        scores = (edited[query] @ references.T).max(axis=1)
        scores[:, shown == shown[query]] = -2.0
        false_edited += int((scores >= threshold).sum())
        precisions.append(1.0 / (1 + (scores > right[query][:, None]).sum(axis=1)))
        kept = min(KEPT, scores.size)
        wrong.append(np.partition(scores, -kept, axis=None)[-kept:])
        false += _highest(scores, query)
    all_scores = np.concatenate([right.ravel(), *wrong])
    curve, ordered = _curve(all_scores, right.size)
    recall_at = {f"{p:.1%}": _recall_at(p, curve, ordered) for p in PRECISIONS}
    strict = recall_at[f"{PRECISIONS[-1]:.1%}"][1]
    false_unedited, unedited = _unedited(references, shown, threshold)
    figures = Figures(
        threshold=threshold,
        recall_at=recall_at,
        mean_average_precision=float(np.mean(precisions)),
        recall=float((right >= threshold).mean()),
        false_edited=false_edited,
        pairs_edited=right.size * (len(references) - 1),
        false_unedited=false_unedited,
        pairs_unedited=len(references) * (len(references) - 1) // 2,
        by_edit={
            name: (
                float((right[:, column] >= strict).mean()),
                float((right[:, column] >= threshold).mean()),
            )
            for column, name in enumerate(edits)
        },
    )
    return Measured(figures, curve, _falling(false)[:KEPT], unedited)


def distinct(copies: Vectors, others: Vectors, same: float) -> NDArray[np.bool_]:
    """Mark the rows of `others` below `same` with all queries and all earlier rows of `others`."""
    keep = (others @ copies[:, 0].T).max(axis=1) < same
    for start in range(0, len(others), 512):
        rows = slice(start, start + 512)
        earlier = np.tril(others[rows] @ others.T >= same, k=start - 1)
        keep[rows] &= ~(earlier & keep).any(axis=1)
    return keep


def _highest(scores: Vectors, query: int, count: int = 5) -> list[FalsePair]:
    """Return the references with the `count` highest scores (edits, n) of one query."""
    best = scores.max(axis=0)
    return [
        FalsePair(float(best[one]), int(scores[:, one].argmax()), query, int(one))
        for one in np.argsort(-best)[:count]
    ]


def _unedited(
    vectors: Vectors, shown: NDArray[np.int64], threshold: float
) -> tuple[int, list[FalsePair]]:
    """Count pairs of rows that show different things and score at least `threshold`.

    Returns their number and the `KEPT` with the highest scores, also below the threshold.
    """
    found, highest = 0, list[FalsePair]()
    for start in range(0, len(vectors), 512):
        rows = slice(start, start + 512)
        scores = vectors[rows] @ vectors.T
        scores[shown[rows, None] == shown] = -2.0
        scores[np.tri(*scores.shape, k=start, dtype=np.bool_)] = -2.0  # each pair once
        found += int((scores >= threshold).sum())
        kept = min(KEPT, scores.size)
        best = np.argpartition(scores, -kept, axis=None)[-kept:]
        highest += [
            FalsePair(float(scores[one, two]), None, start + int(one), int(two))
            for one, two in zip(*np.unravel_index(best, scores.shape), strict=True)
        ]
        highest = _falling(highest)[:KEPT]
    return found, highest


def _falling(pairs: list[FalsePair]) -> list[FalsePair]:
    return sorted(pairs, key=lambda pair: -pair.score)


def correlation(first: Vectors, second: Vectors) -> float:
    """Correlate two models' cosines over random pairs of different pictures."""
    random = np.random.default_rng(0)
    left, right = random.integers(len(first), size=(2, 200_000))
    left, right = left[left != right], right[left != right]
    one = np.einsum("nd,nd->n", first[left], first[right])
    two = np.einsum("nd,nd->n", second[left], second[right])
    return float(np.corrcoef(one, two)[0, 1])


def _curve(scores: Vectors, matches: int) -> tuple[Vectors, Vectors]:
    """Return recall and precision at each score as threshold, and the scores, falling.

    The first `matches` scores are those of right pairs. Equal scores are kept together.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    kept = np.cumsum(order < matches)
    last = np.append(ordered[1:] != ordered[:-1], True)
    recall, precision = kept / matches, kept / np.arange(1, len(scores) + 1)
    return np.stack([recall, precision])[:, last].astype(np.float32), ordered[last]


def _recall_at(precision: float, curve: Vectors, scores: Vectors) -> tuple[float, float]:
    """Return the highest recall with at least this precision, and its threshold."""
    good = np.nonzero(curve[1] >= precision)[0]
    if not len(good):
        return 0.0, 1.0
    return float(curve[0, good[-1]]), float(scores[good[-1]])
