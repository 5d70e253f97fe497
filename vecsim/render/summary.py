"""What a run did, in a few lines: counts, kinds of failures, the hosts with the most failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vecsim.operations.syncing import SyncReport
    from vecsim.records import AddReport

_NOT_TRIED = "not tried after repeated failures of the host"


def summarize_run(report: AddReport) -> str:
    """Describe an `add` or `retry`: a line of counts, then the hosts with the most failures."""
    counts = [f"{report.added:,} added"]
    if report.replaced:
        counts.append(f"{report.replaced:,} replaced")
    if report.moved:
        counts.append(f"{report.moved:,} moved")
    if report.updated:
        counts.append(f"{report.updated:,} with other fields")
    if report.skipped:
        counts.append(f"{report.skipped:,} already known")
    if report.unchanged:
        counts.append(f"{report.unchanged:,} unchanged")
    line = ", ".join([*counts, *_failed(report)])
    if report.reused:
        line += f"; {report.reused:,} had the bytes of a known image and took its vector"
    return "\n".join([f"{line}.", *failing_hosts(report)])


def summarize_refresh(report: AddReport) -> str:
    """Describe a `refresh` in the same way."""
    counts = [f"{report.unchanged:,} unchanged", f"{report.replaced:,} changed"]
    return "\n".join([f"{', '.join([*counts, *_failed(report)])}.", *failing_hosts(report)])


def summarize_sync(report: SyncReport) -> str:
    """Describe a `sync` in the same way; only counts that are not zero, besides the rows listed."""
    counts = {
        "added": report.added,
        "moved": report.moved,
        "changed": report.replaced,
        "with other fields": report.updated,
        "removed": report.removed,
        "marked as missing": report.missing,
        "released to another source": report.released,
        "old failures dropped": report.dropped,
        "checked and unchanged": report.unchanged,
        "to be checked": report.to_check,
    }
    changes = [f"{count:,} {what}" for what, count in counts.items() if count] + _failed(report)
    line = f"{report.listed:,} listed; {', '.join(changes) or 'nothing changed'}"
    if report.dry_run:
        line = f"dry run, nothing was changed: {line}"
    return "\n".join([f"{line}.", *failing_hosts(report)])


def failing_hosts(report: AddReport, most: int = 5) -> list[str]:
    """Return a line for each of the `most` hosts with the most failures, with their reasons."""
    totals = {host: sum(reasons.values()) for host, reasons in report.failures_by_host.items()}
    ranked = sorted(totals, key=lambda host: (-totals[host], host))
    lines = []
    for host in ranked[:most]:
        reasons = report.failures_by_host[host].items()
        described = ", ".join(
            f"{count:,} {_NOT_TRIED if reason == 'not tried' else reason}"
            for reason, count in sorted(reasons, key=lambda item: (-item[1], item[0]))
        )
        lines.append(f"  {host}: {described}")
    if rest := ranked[most:]:
        count = sum(totals[host] for host in rest)
        lines.append(f"  and {len(rest):,} more host{'' if len(rest) == 1 else 's'}: {count:,}")
    return lines


def _failed(report: AddReport) -> list[str]:
    """Return the count of failures with their kinds, most frequent first; empty if there are none.

    Example: ["4 failed (3 http, 1 dns)"].
    """
    if not report.failed:
        return []
    kinds = sorted(report.failures_by_kind.items(), key=lambda item: (-item[1], item[0]))
    described = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    return [f"{report.failed:,} failed" + (f" ({described})" if described else "")]
