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
    if report.unchanged:
        counts.append(f"{report.unchanged:,} found as they were")
    if report.failed:
        counts.append(f"{report.failed:,} failed{_kinds(report)}")
    line = ", ".join(counts)
    if report.reused:
        line += f"; {report.reused:,} had bytes already known and were not embedded again"
    lines = [f"{line}."]
    lines += hosts(report)
    if report.warned:
        lines.append(
            f"{report.warned:,} decoded with warnings: see `vecsim failures INDEX --warnings`."
        )
    if report.interrupted:
        lines.append("Interrupted: what is done is kept; the same command again carries on.")
    elif report.failed:
        lines.append(
            "`vecsim failures INDEX` lists the failed ones, `vecsim retry INDEX` tries them again."
        )
    return "\n".join(lines)


def refreshed(report: AddReport) -> str:
    """Tell what a `refresh` found, in the same way."""
    counts = [f"{report.unchanged:,} unchanged", f"{report.replaced:,} changed"]
    if report.failed:
        counts.append(f"{report.failed:,} failed{_kinds(report)}")
    lines = [f"{', '.join(counts)}.", *hosts(report)]
    if report.interrupted:
        lines.append(
            "Interrupted: what is done is kept; with --older-than, the same command leaves out "
            "what it has checked."
        )
    elif report.failed:
        lines.append(
            "The failed ones stay in the index as they were; `vecsim failures INDEX` lists them."
        )
    return "\n".join(lines)


def hosts(report: AddReport, most: int = 5) -> list[str]:
    """A line for each of the hosts with the most failures, and their reasons."""
    totals = {host: sum(reasons.values()) for host, reasons in report.failures_by_host.items()}
    ranked = sorted(totals, key=lambda host: (-totals[host], host))
    lines = []
    for host in ranked[:most]:
        reasons = report.failures_by_host[host].items()
        told = ", ".join(
            f"{count:,} {_GIVEN_UP if reason == 'not tried' else reason}"
            for reason, count in sorted(reasons, key=lambda item: (-item[1], item[0]))
        )
        lines.append(f"  {host}: {told}")
    if rest := ranked[most:]:
        count = sum(totals[host] for host in rest)
        lines.append(f"  and {len(rest):,} more host{'' if len(rest) == 1 else 's'}: {count:,}")
    return lines


_GIVEN_UP = "not tried, because it had failed so often in a row"


def _kinds(report: AddReport) -> str:
    """The kinds of failures, most frequent first."""
    kinds = sorted(report.failures_by_kind.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    return f" ({told})" if told else ""
