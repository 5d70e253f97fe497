"""Progress: a live line on a terminal, otherwise lines in a log; what a run did, in words."""

from __future__ import annotations

import contextlib
import io
import os
import pty

import pytest

from vecsim.records import AddReport
from vecsim.render import Progress, summarize_refresh, summarize_run
from vecsim.render.progress import describe, duration


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(1000, stream=log, clock=clock) as progress:
        for second in range(31):
            clock.now = second
            progress.update(second * 10, second // 10, second)
    assert log.getvalue().splitlines() == [
        "111 of 1,000 · 1 failed · 10 skipped · 11 img/s · 1 min left",
        "222 of 1,000 · 2 failed · 20 skipped · 11 img/s · 1 min left",
        "333 of 1,000 · 3 failed · 30 skipped · 11 img/s · 1 min left",
    ]


def test_the_rate_is_that_of_the_last_thirty_seconds() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(stream=log, clock=clock) as progress:
        for second in range(0, 101, 10):
            clock.now = second
            progress.update(second * (100 if second <= 50 else 1) + 5000 * (second > 50))
    assert log.getvalue().splitlines()[-1] == "5,100 images · 1.0 img/s"


def test_the_total_can_be_set_later() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(stream=log, clock=clock) as progress:
        progress.total = 50
        clock.now = 10
        progress.update(50)
    assert log.getvalue() == "50 of 50 · 5.0 img/s\n"


def test_quiet_progress_writes_nothing() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(quiet=True, stream=log, clock=clock) as progress:
        clock.now = 100
        progress.update(1)
    assert log.getvalue() == ""


def test_a_closed_log_does_not_stop_the_run() -> None:
    class ClosedLog(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    clock = Clock()
    with Progress(stream=ClosedLog(), clock=clock) as progress:
        clock.now = 100
        progress.update(1)


def test_a_terminal_gets_a_live_line_that_is_removed_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    clock = Clock()
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, Progress(100, stream=terminal, clock=clock) as bar:
        clock.now = 1
        bar.update(20, 1)
    shown = _read_all(reader)
    assert "starting" in shown
    assert "21 of 100 · 1 failed · 21 img/s · 4 s left" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the line is removed at the end"


def _read_all(descriptor: int) -> str:
    parts = []
    with contextlib.suppress(OSError):  # Linux: EIO once the other end is closed
        while part := os.read(descriptor, 10_000):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (3000, "50 min"),
        (3599, "1 h 00 min"),
        (11_100, "3 h 05 min"),
        (864_000, "10.0 days"),
    ],
)
def test_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_no_time_left_is_shown_without_a_rate() -> None:
    assert describe(0, 0, 0, 10, 0.0) == "0 of 10 · 0 img/s"


def test_a_run_is_summarized_in_counts() -> None:
    assert summarize_run(AddReport(added=5)) == "5 added."
    report = AddReport(1200, 7, 1, 4, 2, {"dns": 1, "http": 3})
    assert summarize_run(report) == (
        "1,200 added, 1 replaced, 7 already known, 4 failed (3 http, 1 dns); "
        "2 had the bytes of a known image and took its vector."
    )


def test_hosts_with_the_most_failures_come_first_with_their_reasons() -> None:
    by_host = {f"host-{n}": {"http 404": n} for n in range(1, 6)}
    by_host["dead:81"] = {"not tried": 980, "connect": 20}
    by_host["a"] = {"dns": 1}
    report = AddReport(failed=1016, failures_by_kind={"connect": 1000}, failures_by_host=by_host)

    assert summarize_run(report).splitlines()[1:] == [
        "  dead:81: 980 not tried after repeated failures of the host, 20 connect",
        "  host-5: 5 http 404",
        "  host-4: 4 http 404",
        "  host-3: 3 http 404",
        "  host-2: 2 http 404",
        "  and 2 more hosts: 2",
    ]
    assert "  and 2 more hosts: 2" in summarize_refresh(report)


def test_a_refresh_is_summarized_in_counts() -> None:
    report = AddReport(unchanged=1000, replaced=2)
    assert summarize_refresh(report) == "1,000 unchanged, 2 changed."
    failed = AddReport(unchanged=1, failed=1, failures_by_kind={"dns": 1})
    assert summarize_refresh(failed) == "1 unchanged, 0 changed, 1 failed (1 dns)."
