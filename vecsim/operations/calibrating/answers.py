"""Answers of people, as the page for labelling exports them, and what they are in an index now."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecsim.errors import InputError
from vecsim.index import Snapshot
from vecsim.operations.calibrating.counting import BINS, bins_of
from vecsim.operations.calibrating.estimating import Labels
from vecsim.records import Int64, Pairs
from vecsim.search.score import score_pairs

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
class Answered:
    """The answers that count: pairs by key with their scores as they are now, and their labels.

    `skipped`: pairs that nobody could tell. `gone`: answers about images no longer there, or pairs
    whose score has left its stratum because a picture changed.
    """

    pairs: Pairs
    labels: Labels
    skipped: int
    gone: int


def read_answers(path: Path) -> Iterator[Answer]:
    """The rows of one exported CSV. Raises `InputError` naming the line that is not one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}: no column {missing[0]!r}. Give the CSV that the page of "
                    f"`vecsim calibrate --label` exports."
                )
            for row in rows:
                yield _answer(row, f"{path} line {rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({why}).") from error


def _answer(row: dict[str, str], place: str) -> Answer:
    if row["answer"] not in (_SAME, _DIFFERENT, _SKIP):
        raise InputError(
            f"{place}: the answer is {row['answer']!r}; there are same, different and skip."
        )
    try:
        low, high = (int(bins_of(np.array(float(row[name])))) for name in COLUMNS[3:5])
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: its stratum is no range of scores.") from error
    if not 0 <= low < high <= BINS:
        raise InputError(f"{place}: its stratum is no range of scores.")
    return Answer(row["query_id"], row["reference_id"], low, high, row["answer"])


def answered(queries: Snapshot, references: Snapshot, answers: Sequence[Answer]) -> Answered:
    """Look up the answered pairs and score them anew. Of several answers on a pair the last counts.

    Raises `InputError` if none is left.
    """
    query_rows = queries.rows_of_ids({answer.query_id for answer in answers})
    reference_rows = references.rows_of_ids({answer.reference_id for answer in answers})
    by_key: dict[tuple[int, int], Answer] = {}
    gone = 0
    for answer in answers:
        query = query_rows.get(answer.query_id)
        reference = reference_rows.get(answer.reference_id)
        if query is None or reference is None:
            gone += 1
            continue
        keys = (query.key, reference.key)
        by_key[(min(keys), max(keys)) if queries is references else keys] = answer
    table = np.array(list(by_key), np.int64).reshape(-1, 2)
    pairs = _scored(queries, references, table)
    kept = list(by_key.values())
    low, high = (np.array([getattr(a, name) for a in kept], np.int64) for name in ("low", "high"))
    bins = bins_of(pairs.score)
    fits = (bins >= low) & (bins < high)
    told = fits & np.array([answer.answer != _SKIP for answer in kept], bool)
    if not told.any():
        raise InputError("none of the answers says same or different of a pair that is there.")
    edges = np.unique(np.concatenate([low[fits], high[fits]]))
    same = np.array([answer.answer == _SAME for answer in kept], bool)
    return Answered(
        pairs.take(fits),
        Labels(bins[told], same[told], edges[edges < BINS]),
        skipped=int(fits.sum() - told.sum()),
        gone=gone + int((~fits).sum()),
    )


def _scored(queries: Snapshot, references: Snapshot, table: Int64) -> Pairs:
    """Pairs of keys (n, 2) with their scores."""
    sides = []
    for snapshot, keys in zip((queries, references), table.T, strict=True):
        unique, rows = np.unique(keys, return_inverse=True)
        sides.append((snapshot.vectors_of(unique), rows.astype(np.int64)))
    (some, query_rows), (others, reference_rows) = sides
    scores = score_pairs(some, others, query_rows, reference_rows)
    return Pairs(table[:, 0], table[:, 1], scores)
