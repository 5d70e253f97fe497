"""Finding the right threshold: all pairs counted by score, a few labelled, precision estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecsim.errors import InputError, UsageError
from vecsim.index import Snapshot
from vecsim.operations.calibrating.answers import Answered, answered, read_answers
from vecsim.operations.calibrating.counting import ScoreCounts, bins_of, count_scores, score_of
from vecsim.operations.calibrating.drawing import Drawn, draw
from vecsim.operations.calibrating.estimating import (
    Estimate,
    estimates,
    labels_missing,
    recommend,
)
from vecsim.operations.calibrating.strata import closer_look, first_look, likely_threshold
from vecsim.operations.index_settings import threshold_of

__all__ = ["Calibration", "Drawn", "Estimate", "ScoreCounts", "calibration", "pairs_to_label"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of the thresholds of two sets, or of one with itself.

    `present`: the threshold in use, if there is one, with its exact number of matches.
    `precision`: the one that is asked for.
    `answered` and `estimates`: None where nothing is labelled.
    """

    counts: ScoreCounts
    present: float | None
    present_matches: int
    precision: float
    answered: Answered | None = None
    estimates: list[Estimate] | None = None

    @property
    def recommended(self) -> Estimate | None:
        """The threshold that the labels recommend, if they can."""
        return recommend(self.estimates or [], self.precision)

    @property
    def labels_missing(self) -> int:
        """About how many more labels the recommendation needs."""
        return labels_missing(self.estimates or [], self.near or 0, self.precision)

    @property
    def floor(self) -> float | None:
        """The score below which nothing is labelled."""
        return None if self.answered is None else score_of(self.answered.labels.floor)

    @property
    def near(self) -> int | None:
        """The bin around which further labels tell most; None where nothing is known."""
        if self.answered is not None:
            return likely_threshold(self.counts, self.answered.labels, self.precision)
        return None if self.present is None else int(bins_of(np.array(self.present)))


def calibration(
    queries: Snapshot,
    references: Snapshot,
    labels: Sequence[Path] = (),
    precision: float = 0.95,
) -> Calibration:
    """Count all pairs of two indexes, or of one with itself, and read `labels` (CSV files).

    Raises `InputError` for a file that holds no answers, `FingerprintError`.
    """
    # The files first: counting takes a while.
    answers = [answer for path in labels for answer in read_answers(path)]
    told = answered(queries, references, answers) if labels else None
    try:
        present = threshold_of(references)
    except UsageError:
        present = None
    counts, matches = count_scores(queries, references, present)
    found = None if told is None else list(estimates(counts, told.labels))
    return Calibration(counts, present, matches, precision, told, found)


def pairs_to_label(
    queries: Snapshot, references: Snapshot, known: Calibration, pairs: int, *, seed: int = 0
) -> Drawn:
    """Draw about `pairs` pairs to label: a first look, or near the threshold labels point to.

    Pairs that are labelled already are not drawn again. Raises `InputError` if none is left.
    """
    if not known.counts.total:
        raise InputError("there are no pairs to label: the images are too few.")
    if known.answered is None:
        images = len(queries.keys()) + (0 if queries is references else len(references.keys()))
        strata = first_look(known.counts, images, pairs, known.near)
        return draw(queries, references, strata, seed=seed)
    assert known.near is not None
    strata = closer_look(known.counts, pairs, known.near)
    drawn = draw(queries, references, strata, seed=seed, labelled=known.answered.pairs)
    if not len(drawn.block.pairs):
        raise InputError(f"every pair from {score_of(strata[0].low):g} up is labelled already.")
    return drawn
