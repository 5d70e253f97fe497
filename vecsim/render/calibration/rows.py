"""The number of matches at each threshold as rows, with what labels say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vecsim.render.columns import Column, Row, Value

if TYPE_CHECKING:
    from vecsim.operations.calibrating.counting import ScoreCounts
    from vecsim.operations.calibrating.estimating import Estimate

_SHARES = ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")


def calibration_columns(labelled: bool) -> list[Column]:
    """The columns: one row for each threshold, `pairs` up to the next one, `matches` from it on."""
    columns = [Column("threshold", "number"), Column("pairs", "integer")]
    columns.append(Column("matches", "integer"))
    if labelled:
        columns += [Column(name, "number") for name in _SHARES] + [Column("labels", "integer")]
    return columns


def calibration_rows(counts: ScoreCounts, found: Sequence[Estimate] | None) -> Iterator[Row]:
    """The values, ascending; `found`: None where nothing is labelled."""
    from vecsim.operations.calibrating.counting import STEP, score_of

    told = {estimate.bin: estimate for estimate in found or ()}
    for bin_ in counts.thresholds.tolist():
        last = min(bin_ + STEP, len(counts.counts))
        row: list[Value] = [score_of(bin_), counts.pairs_between(bin_, last)]
        row.append(int(counts.tail[bin_]))
        if found is not None:
            row += _shares(told.get(bin_))
        yield row


def _shares(estimate: Estimate | None) -> list[Value]:
    if estimate is None:
        return [None] * (len(_SHARES) + 1)
    values: list[Value] = []
    for share in (estimate.precision, estimate.recall):
        values += [round(value, 3) for value in (share.value, share.low, share.high)]
    return [*values, estimate.precision.labels]
