"""What people read beside the results: matrix, progress, summary."""

from __future__ import annotations

import contextlib
import io
import os
import pty

import numpy as np
import pytest

from vecsim.records import AddReport
from vecsim.render import Progress, format_matrix, refreshed, summary
from vecsim.render.progress import describe, duration


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_matrix() -> None:
    scores = np.array([[0.9338396, -0.0], [1.0, 0.845]])
    assert format_matrix(["1", "22"], ["3", "a-long-id"], scores, threshold=0.845).split("\n") == [
        "            3  a-long-id",
        " 1  0.933840*  0.000000",
        "22  1.000000*  0.845000*",
    ]


def test_matrix_without_columns_or_rows() -> None:
    assert format_matrix([], ["a"], np.empty((0, 1))).strip() == "a"
    assert format_matrix(["a"], [], np.empty((1, 0))).split() == ["a"]


def test_plain_progress_tells_every_ten_seconds() -> None:
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


def test_rate_is_that_of_the_last_half_minute() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(stream=log, clock=clock) as progress:
        for second in range(0, 101, 10):
            clock.now = second
            progress.update(second * (100 if second <= 50 else 1) + 5000 * (second > 50))
    assert log.getvalue().splitlines()[-1] == "5,100 images · 1.0 img/s"


def test_total_may_come_later() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(stream=log, clock=clock) as progress:
        progress.total = 50
        clock.now = 10
        progress.update(50)
    assert log.getvalue() == "50 of 50 · 5.0 img/s\n"


def test_quiet() -> None:
    clock, log = Clock(), io.StringIO()
    with Progress(quiet=True, stream=log, clock=clock) as progress:
        clock.now = 100
        progress.update(1)
    assert log.getvalue() == ""


def test_a_log_that_nobody_reads_does_not_stop_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    clock = Clock()
    with Progress(stream=Gone(), clock=clock) as progress:
        clock.now = 100
        progress.update(1)


def test_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    clock = Clock()
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, Progress(100, stream=terminal, clock=clock) as bar:
        clock.now = 1
        bar.update(20, 1)
    shown = _all_of(ours)
    assert "starting" in shown
    assert "21 of 100 · 1 failed · 21 img/s · 4 s left" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the line goes away at the end"


def _all_of(descriptor: int) -> str:
    parts = []
    with contextlib.suppress(OSError):  # how a terminal says that nobody is left
        while part := os.read(descriptor, 10_000):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("seconds", "said"),
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
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_no_time_left_without_a_rate() -> None:
    assert describe(0, 0, 0, 10, 0.0) == "0 of 10 · 0 img/s"


def test_summary() -> None:
    assert summary(AddReport(added=5)) == "5 added."
    report = AddReport(1200, 7, 1, 4, 2, {"dns": 1, "http": 3})
    assert summary(report) == (
        "1,200 added, 1 replaced, 7 known already, 4 failed (3 http, 1 dns); "
        "2 had bytes already known and were not embedded again.\n"
        "`vecsim failures INDEX` lists the failed ones, `vecsim retry INDEX` tries them again."
    )
    assert "the same command again carries on" in summary(AddReport(added=5, interrupted=True))


def test_failures_are_told_by_host_and_reason() -> None:
    by_host = {f"host-{n}": {"http 404": n} for n in range(1, 6)}
    by_host["dead:81"] = {"not tried": 980, "connect": 20}
    by_host["a"] = {"dns": 1}
    report = AddReport(failed=1016, failures_by_kind={"connect": 1000}, failures_by_host=by_host)

    assert summary(report).splitlines()[1:-1] == [
        "  dead:81: 980 not tried, because it had failed so often in a row, 20 connect",
        "  host-5: 5 http 404",
        "  host-4: 4 http 404",
        "  host-3: 3 http 404",
        "  host-2: 2 http 404",
        "  and 2 more hosts: 2",
    ]
    assert "  and 2 more hosts: 2" in refreshed(report)


def test_what_a_refresh_found() -> None:
    assert refreshed(AddReport(unchanged=1000, replaced=2)) == "1,000 unchanged, 2 changed."
    told = refreshed(AddReport(unchanged=1, failed=1, failures_by_kind={"dns": 1}))
    assert told.startswith("1 unchanged, 0 changed, 1 failed (1 dns).\n")
    assert "--older-than" in refreshed(AddReport(interrupted=True))
