"""Counts all pairs of two indexes by score, exactly, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vecsim.index import Snapshot
from vecsim.operations.matching import check_same_model
from vecsim.records import Float64, Int64
from vecsim.search.score import score_matrix

BINS = 2_001  # thousandths from -1.000 to 1.000; the last holds the score 1 alone
STEP = 5  # thousandths between two thresholds that are reported
_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """How many pairs have a score in each thousandth: int64 (2001,), exact.

    Bin b holds scores from (b - 1000) / 1000 up to, not including, the next thousandth. `tail`
    (2002,): pairs in bin b and all higher ones, which are the matches at the threshold of bin b.
    """

    counts: Int64
    tail: Int64 = field(init=False)

    def __post_init__(self) -> None:
        tail = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        object.__setattr__(self, "tail", tail)

    @property
    def total(self) -> int:
        """All pairs."""
        return int(self.tail[0])

    @property
    def thresholds(self) -> Int64:
        """Bins of the thresholds to report, ascending: from where all pairs match to the last."""
        occupied = np.flatnonzero(self.counts)
        if not len(occupied):
            return np.empty(0, np.int64)
        first, last = int(occupied[0]) // STEP, int(occupied[-1]) // STEP
        return np.arange(first, last + 1) * STEP

    def pairs_between(self, low: int, high: int) -> int:
        """Count the pairs in the bins from `low` up to, not including, `high`."""
        return int(self.tail[low] - self.tail[high])


def score_of(bin_: int) -> float:
    """Return the lowest score of a bin."""
    return round((int(bin_) - 1000) / 1000, 3)


def bins_of(scores: Float64) -> Int64:
    """Return the bin of each score, int64, computed in millionths so that edges are exact."""
    units: Int64 = np.rint(scores * 1e6).astype(np.int64)
    return (units + 1_000_000) // 1_000


def no_progress(done: int, total: int) -> None:
    """Take the number of images done and of all, and do nothing."""


def count_scores(
    queries: Snapshot,
    references: Snapshot,
    threshold: float | None = None,
    progress: Callable[[int, int], None] = no_progress,
) -> tuple[ScoreCounts, int]:
    """Count the pairs of `queries` and `references` at every score, in blocks of a few megabytes.

    The same snapshot twice counts each pair once, and no image with itself. Also returns how many
    pairs reach `threshold`, which may lie within a thousandth; 0 for None. `progress` is called
    often with how many of `queries` were compared with all references, and how many there are.
    Raises `FingerprintError`.
    """
    check_same_model(queries, references)
    itself = queries is references
    counts = np.zeros(BINS, np.int64)
    matches = 0
    for row in range(0, queries.count, _ROWS):
        _, some = queries.slice(row, row + _ROWS)
        for column in range(row if itself else 0, references.count, _ROWS):
            progress(row, queries.count)
            _, others = references.slice(column, column + _ROWS)
            scores = score_matrix(some, others)
            if itself and column == row:
                scores = scores[np.triu_indices(len(some), 1)]
            counts += np.bincount(bins_of(scores.ravel()), minlength=BINS)
            if threshold is not None:
                matches += int(np.count_nonzero(scores >= threshold))
    progress(queries.count, queries.count)
    return ScoreCounts(counts), matches
