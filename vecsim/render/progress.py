"""What a run does, as progress on standard error, and what it did, in a few lines.

Progress is a live line on a terminal, otherwise a line every ten seconds. A summary has the counts,
kinds of failures, and the hosts with the most failures.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from vecsim.render.terminal import terminal_below

if TYPE_CHECKING:
    from vecsim.operations.syncing import SyncReport
    from vecsim.records import AddReport

_LIVE_INTERVAL = 0.2  # seconds
_LOG_INTERVAL = 10.0  # seconds
_WINDOW = 30.0  # seconds over which the rate is averaged
_NOT_TRIED = "not tried after repeated failures of the host"


class Progress:
    """Shows the progress of a run: images done, failed, rate, time left.

    A context manager; `update` is cheap and may be called for each image. `total` may be set later;
    while it is None, no time left is shown.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._quiet = quiet
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live: Any = None
        self._next = 0.0
        self._history: deque[tuple[float, int]] = deque()

    def __enter__(self) -> Progress:
        """Start the clock; on a terminal, show the line."""
        now = self._clock()
        self._history.append((now, 0))
        if not self._quiet and self._stream.isatty():
            self._live = _live_line(self._stream)
            self._live.start()
            self._live.add_task("starting …", total=self.total)
        self._next = now + (_LIVE_INTERVAL if self._live else _LOG_INTERVAL)
        return self

    def update(self, done: int, failed: int = 0, skipped: int = 0) -> None:
        """Set how many images are done, failed and skipped so far (counts, not increments)."""
        now = self._clock()
        if self._quiet or now < self._next:
            return
        self._next = now + (_LIVE_INTERVAL if self._live else _LOG_INTERVAL)
        seen = done + failed + skipped
        self._history.append((now, seen))
        while len(self._history) > 2 and now - self._history[1][0] >= _WINDOW:
            self._history.popleft()
        line = describe(done, failed, skipped, self.total, self._rate())
        if self._live:
            self._live.update(0, description=line, completed=seen, total=self.total, refresh=True)
        else:
            with suppress(OSError):  # a closed log must not stop the run
                print(line, file=self._stream, flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the live line."""
        if self._live:
            self._live.stop()

    def _rate(self) -> float:
        (first, before), (last, now) = self._history[0], self._history[-1]
        return (now - before) / max(last - first, 1e-9)


def describe(done: int, failed: int, skipped: int, total: int | None, rate: float) -> str:
    """Return a line about a run; `rate` is in images a second."""
    seen = done + failed + skipped
    parts = [f"{seen:,} of {total:,}" if total is not None else f"{seen:,} images"]
    if failed:
        parts.append(f"{failed:,} failed")
    if skipped:
        parts.append(f"{skipped:,} skipped")
    parts.append(f"{rate:,.0f} img/s" if rate >= 10 or not rate else f"{rate:.1f} img/s")
    # The rate of the first few images is not representative.
    if total is not None and total > seen >= min(100, total / 100) and rate > 0:
        parts.append(f"{duration((total - seen) / rate)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration in words: 45 s, 12 min, 3 h 05 min, 2.5 days."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 60 / 24:.1f} days"


def _live_line(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    # Rich must not redirect standard output, which may receive results at the same time, and must
    # not start a thread, because decoder processes may be forked while the line is shown.
    return Bar(
        SpinnerColumn(),
        BarColumn(bar_width=16),
        TextColumn("{task.description}", markup=False),
        console=Console(file=terminal_below(stream)),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
    )


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
        f"old failure{'' if report.dropped == 1 else 's'} dropped": report.dropped,
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
