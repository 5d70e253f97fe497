"""Calibrates a threshold: counts pairs by score, reads labels, estimates precision, recommends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import numpy as np

from vecsim.errors import InputError, UsageError
from vecsim.index import Snapshot
from vecsim.operations.calibrating.counting import (
    BINS,
    ScoreCounts,
    bins_of,
    count_scores,
    no_progress,
    score_of,
)
from vecsim.operations.calibrating.estimating import (
    Estimate,
    Labels,
    estimates,
    labels_missing,
    recommend,
)
from vecsim.operations.calibrating.sampling import (
    Sample,
    candidate,
    draw_pairs,
    initial_strata,
    refined_strata,
)
from vecsim.operations.hiding import hide_uniform
from vecsim.operations.index_settings import threshold_of
from vecsim.records import Int64
from vecsim.results import Pairs
from vecsim.search.score import score_pairs
from vecsim.sources import read_cells

COLUMNS = ("query_id", "reference_id", "score", "stratum_from", "stratum_to", "answer")
_SAME, _DIFFERENT, _SKIP = "same", "different", "skip"


@dataclass(frozen=True, slots=True)
class Answer:
    """One pair as it was answered. `low`, `high`: the bins of its stratum."""

    query_id: str
    reference_id: str
    low: int
    high: int
    answer: str


@dataclass(frozen=True, slots=True)
class ResolvedAnswers:
    """The answers that count: pairs by key with their present scores, and their labels.

    `skipped`: pairs answered with "skip". `obsolete`: answers about images that are hidden or no
    longer in the index, or about pairs whose score has left its stratum because a picture changed.
    """

    pairs: Pairs
    labels: Labels
    skipped: int
    obsolete: int


def read_answers(path: Path) -> Iterator[Answer]:
    """Yield the rows of one exported CSV, also as a spreadsheet of another country saves it.

    Raises `InputError` naming the line that is not one.
    """
    for place, row in read_cells(path):
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise InputError(
                f"{path}: no column {missing[0]!r}, so these are not the answers that a page for "
                f"labelling exports."
            )
        yield _answer(row, place)


def _answer(row: dict[str, str], place: str) -> Answer:
    answer = row["answer"].strip().casefold()
    if answer not in (_SAME, _DIFFERENT, _SKIP):
        raise InputError(f"{place}: the answer is {answer!r}; there are same, different and skip.")
    try:
        # Spreadsheets write 0,985 in some countries.
        scores = [float(row[name].replace(",", ".")) for name in COLUMNS[3:5]]
        low, high = (int(bins_of(np.array(score))) for score in scores)
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: its stratum is no range of scores.") from error
    if not 0 <= low < high <= BINS:
        raise InputError(f"{place}: its stratum is no range of scores.")
    return Answer(row["query_id"], row["reference_id"], low, high, answer)


def resolve_answers(
    queries: Snapshot, references: Snapshot, answers: Sequence[Answer]
) -> ResolvedAnswers:
    """Look up the answered pairs and score them again.

    Of several answers on a pair the last counts. Raises `InputError` if none is left.
    """
    by_key, missing = _by_key(queries, references, answers)
    pairs = _scored(queries, references, np.array(list(by_key), np.int64).reshape(-1, 2))
    kept = list(by_key.values())
    low, high = (np.array([getattr(a, name) for a in kept], np.int64) for name in ("low", "high"))
    bins = bins_of(pairs.score)
    fits = (bins >= low) & (bins < high)
    counted = fits & np.array([answer.answer != _SKIP for answer in kept], bool)
    if not counted.any():
        raise InputError("none of the answers says same or different of a pair that is there.")
    edges = np.unique(np.concatenate([low[fits], high[fits]]))
    same = np.array([answer.answer == _SAME for answer in kept], bool)
    return ResolvedAnswers(
        pairs.take(fits),
        Labels(bins[counted], same[counted], edges[edges < BINS]),
        skipped=int(fits.sum() - counted.sum()),
        obsolete=missing + int((~fits).sum()),
    )


def _by_key(
    queries: Snapshot, references: Snapshot, answers: Sequence[Answer]
) -> tuple[dict[tuple[int, int], Answer], int]:
    """Return the last answer on each pair of keys, and how many answers name a missing image."""
    query_rows = queries.rows_of_ids({answer.query_id for answer in answers})
    reference_rows = references.rows_of_ids({answer.reference_id for answer in answers})
    counted = [frozenset(snapshot.keys().tolist()) for snapshot in (queries, references)]
    by_key: dict[tuple[int, int], Answer] = {}
    missing = 0
    for answer in answers:
        query = query_rows.get(answer.query_id)
        reference = reference_rows.get(answer.reference_id)
        if query is None or reference is None:
            missing += 1
            continue
        keys = (query.key, reference.key)
        if keys[0] not in counted[0] or keys[1] not in counted[1]:
            missing += 1
            continue
        by_key[(min(keys), max(keys)) if queries is references else keys] = answer
    return by_key, missing


def _scored(queries: Snapshot, references: Snapshot, table: Int64) -> Pairs:
    """Return pairs of keys (n, 2) with their scores."""
    sides = []
    for snapshot, keys in zip((queries, references), table.T, strict=True):
        unique, rows = np.unique(keys, return_inverse=True)
        sides.append((snapshot.vectors_of(unique), rows.astype(np.int64)))
    (some, query_rows), (others, reference_rows) = sides
    scores = score_pairs(some, others, query_rows, reference_rows)
    return Pairs(table[:, 0], table[:, 1], scores)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of the thresholds of two indexes, or of one with itself.

    `present`: the threshold in use, if there is one, with its exact number of matches.
    `precision`: the requested one. `answered` and `estimates`: None where nothing is labelled.
    `hidden`: how many pairs were left out, by reason: see `vecsim.operations.hiding`.
    """

    counts: ScoreCounts
    present: float | None
    present_matches: int
    precision: float
    answered: ResolvedAnswers | None = None
    estimates: list[Estimate] | None = None
    hidden: Counter[str] = field(default_factory=Counter)

    def __repr__(self) -> str:
        parts = [f"{self.counts.total:,} pairs"]
        if self.present is not None:
            parts.append(f"{self.present_matches:,} match at {self.present:g}")
        if self.answered is not None:
            parts.append(f"{len(self.answered.labels):,} labels")
        if best := self.recommended:
            parts.append(f"recommended threshold {best.threshold:g}")
        return f"<Calibration: {', '.join(parts)}>"

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
        """The bin above which further labels help most; None where nothing is known."""
        if self.answered is not None:
            return candidate(self.counts, self.answered.labels, self.precision)
        return None if self.present is None else int(bins_of(np.array(self.present)))


def check_precision(value: float) -> float:
    """Return a requested precision. Raises `UsageError` unless it is above 0 and at most 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= 1:
        raise UsageError(f"precision={value!r}: must be a number above 0, up to 1.")
    return float(value)


def calibration(
    queries: Snapshot,
    references: Snapshot,
    labels: Sequence[Path] = (),
    precision: float = 0.95,
    *,
    show_all: bool = False,
    progress: Callable[[int, int], None] = no_progress,
) -> Calibration:
    """Count all pairs of two indexes, or of one with itself, and read `labels` (CSV files).

    Pairs with a uniform picture are left out unless `show_all`: their images are hidden in the
    snapshots themselves, so that `pairs_to_label` draws none of them either. `progress`: as for
    `count_scores`.
    Raises `InputError` for a file that holds no answers, `FingerprintError`.
    """
    # The files first: counting takes a while.
    answers = [answer for path in labels for answer in read_answers(path)]
    hidden: Counter[str] = Counter() if show_all else hide_uniform(queries, references)
    resolved = resolve_answers(queries, references, answers) if labels else None
    try:
        present = threshold_of(references)
    except UsageError:
        present = None
    counts, matches = count_scores(queries, references, present, progress)
    found = None if resolved is None else list(estimates(counts, resolved.labels))
    return Calibration(counts, present, matches, precision, resolved, found, hidden)


def pairs_to_label(
    queries: Snapshot, references: Snapshot, known: Calibration, pairs: int, *, seed: int = 0
) -> Sample:
    """Draw about `pairs` pairs to label: over all scores, or near the threshold labels point to.

    Pairs that are labelled already are not drawn again. Raises `InputError` if none is left.
    """
    if not known.counts.total:
        raise InputError("there are no pairs to label: the images are too few.")
    if known.answered is None:
        images = len(queries.keys()) + (0 if queries is references else len(references.keys()))
        strata = initial_strata(known.counts, images, pairs, known.near)
        return draw_pairs(queries, references, strata, seed=seed)
    assert known.near is not None
    strata = refined_strata(known.counts, pairs, known.near)
    drawn = draw_pairs(queries, references, strata, seed=seed, labelled=known.answered.pairs)
    if not len(drawn.block.pairs):
        raise InputError(f"every pair from {score_of(strata[0].low):g} up is labelled already.")
    return drawn
