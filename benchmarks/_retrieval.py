"""Measures how well scores tell copies from other pictures: recall and precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
PRECISIONS = (0.99, 0.999)
KEPT = 2000  # highest scores of wrong pairs kept per query: enough at these precisions


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


def measure(
    copies: Vectors, distractors: Vectors, edits: list[str], threshold: float
) -> tuple[Figures, Vectors]:
    """Measure unit vectors: `copies` (q, 1 + edits, dim), originals first, `distractors` (n, dim).

    Each edited copy searches among all originals and distractors; only its own original is right.
    Returns the figures, and recall and precision by falling threshold for a curve, (2, points).
    """
    queries = len(copies)
    references = np.concatenate([copies[:, 0], distractors])
    right = np.einsum("qed,qd->qe", copies[:, 1:], copies[:, 0])
    wrong: list[Vectors] = []
    precisions: list[NDArray[np.float64]] = []
    false_edited = 0
    for query in range(queries):
        scores = copies[query, 1:] @ references.T
        own = scores[:, query].copy()
        scores[:, query] = -2.0
        false_edited += int((scores >= threshold).sum())
        precisions.append(1.0 / (1 + (scores > own[:, None]).sum(axis=1)))
        kept = min(KEPT, scores.size)
        wrong.append(np.partition(scores, -kept, axis=None)[-kept:])
    scores = np.concatenate([right.ravel(), *wrong])
    curve, ordered = _curve(scores, right.size)
    recall_at = {f"{p:.1%}": _recall_at(p, curve, ordered) for p in PRECISIONS}
    strict = recall_at[f"{PRECISIONS[-1]:.1%}"][1]
    figures = Figures(
        threshold=threshold,
        recall_at=recall_at,
        mean_average_precision=float(np.mean(precisions)),
        recall=float((right >= threshold).mean()),
        false_edited=false_edited,
        pairs_edited=right.size * (len(references) - 1),
        false_unedited=_pairs_above(references, threshold),
        pairs_unedited=len(references) * (len(references) - 1) // 2,
        by_edit={
            name: (
                float((right[:, column] >= strict).mean()),
                float((right[:, column] >= threshold).mean()),
            )
            for column, name in enumerate(edits)
        },
    )
    return figures, curve


def _pairs_above(vectors: Vectors, threshold: float) -> int:
    """Count the pairs of different rows whose cosine is at least `threshold`."""
    found = 0
    for start in range(0, len(vectors), 512):
        found += int((vectors[start : start + 512] @ vectors.T >= threshold).sum())
    return (found - len(vectors)) // 2


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
