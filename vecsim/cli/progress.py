"""Long commands: progress on standard error, and an orderly stop by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING

import click

from vecsim.cli.messages import counted, note, quiet
from vecsim.errors import VecsimError

if TYPE_CHECKING:
    from vecsim.operations.requests import Progress as Watch
    from vecsim.records import AddReport


@dataclass(frozen=True, slots=True)
class Run:
    """A running command: `watch` shows progress, `stop` is set by the first Ctrl-C."""

    watch: Watch
    stop: Event


@contextmanager
def running(*, show: bool = True, total: Callable[[], int | None] = lambda: None) -> Iterator[Run]:
    """Show progress if `show`; the first Ctrl-C or SIGTERM sets `stop`, a second one interrupts.

    `total` returns the number of images; it runs in a thread, because counting can take long.
    """
    from vecsim.render import Progress

    stop = Event()
    latest: AddReport | None = None

    def request_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("Stopping: committing completed work …", err=True)

    before = {number: signal.signal(number, request_stop) for number in _SIGNALS}
    try:
        with Progress(quiet=quiet() or not show) as progress:

            def count() -> None:
                with suppress(VecsimError):  # the run itself reports the error
                    progress.total = total()

            Thread(target=count, daemon=True).start()

            def watch(report: AddReport) -> None:
                nonlocal latest
                latest = report
                done = report.added + report.replaced + report.unchanged
                progress.update(done, report.failed, report.skipped)

            yield Run(watch, stop)
    except VecsimError:
        done = latest.added + latest.replaced + latest.failed if latest is not None else 0
        if done:
            note(
                f"{counted(done, 'image')} processed before the error below and kept: after "
                f"you fix the cause, the same command continues."
            )
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
