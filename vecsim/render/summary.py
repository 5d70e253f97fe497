"""What a run did, in a line or two for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vecsim.records import AddReport


def summary(report: AddReport) -> str:
    """Tell what an `add` did: a sentence of counts, then failures and interruption if any."""
    counts = [f"{report.added:,} added"]
    if report.replaced:
        counts.append(f"{report.replaced:,} replaced")
    if report.skipped:
        counts.append(f"{report.skipped:,} known already")
    if report.failed:
        counts.append(f"{report.failed:,} failed{_kinds(report)}")
    line = ", ".join(counts)
    if report.reused:
        line += f"; {report.reused:,} had bytes already known and were not embedded again"
    lines = [f"{line}."]
    if report.interrupted:
        lines.append("Interrupted: what is done is kept; the same command again carries on.")
    elif report.failed:
        lines.append(
            "`vecsim failures INDEX` lists the failed ones, `vecsim retry INDEX` tries them again."
        )
    return "\n".join(lines)


def _kinds(report: AddReport) -> str:
    """The kinds of failures, most frequent first."""
    kinds = sorted(report.failures_by_kind.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    return f" ({told})" if told else ""
