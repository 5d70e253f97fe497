"""What long commands share: progress, Ctrl-C, and the exit status."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING

import click

from vecsim.cli.main import INTERRUPTED
from vecsim.errors import VecsimError

if TYPE_CHECKING:
    from vecsim.operations.building import Watch
    from vecsim.records import AddReport

SOME_FAILED = 3


@dataclass(frozen=True, slots=True)
class Run:
    """`watch` shows progress; `stop` is set by the first Ctrl-C."""

    watch: Watch
    stop: Event


@contextmanager
def running(*, show: bool = True, total: Callable[[], int | None] = lambda: None) -> Iterator[Run]:
    """Let Ctrl-C or SIGTERM end the work in good order, a second one at once; `show` progress.

    `total` counts the images to come, meanwhile, so that the time left can be told.
    """
    from vecsim.render import Progress

    stop = Event()
    latest: AddReport | None = None

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("Stopping: what is done is being committed …", err=True)

    before = {number: signal.signal(number, ask_to_stop) for number in _SIGNALS}
    try:
        with Progress(quiet=quiet() or not show) as progress:

            def count() -> None:
                with suppress(VecsimError):  # the run itself says what is wrong
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
                f"{counted(done, 'image')} done before the error below, and kept: once its cause "
                f"is mended, the same command carries on."
            )
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def quiet() -> bool:
    """Whether the user asked for silence."""
    context = click.get_current_context(silent=True)
    found = context.find_root().obj if context else None
    return bool(found and found.get("quiet"))


def counted(count: int, what: str) -> str:
    """A number of things: 1 image, 2,000 images."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def note(text: str) -> None:
    """Tell a person something on standard error, unless they want silence."""
    if not quiet():
        click.echo(text, err=True)


def tell(place: object, index: Path, report: AddReport) -> None:
    """Tell what was done with `place`, and what of its index is missing since an earlier run."""
    from vecsim.index import Snapshot
    from vecsim.render import summary

    note(f"{place}: {summary(report).replace('INDEX', str(index))}")
    if report.failed or not report.skipped:
        return
    with Snapshot(index) as snapshot:
        failed = sum(snapshot.failures_by_kind().values())
    if failed:
        images = counted(failed, "image")
        note(f"{images} failed in an earlier run: `vecsim retry {index}` tries again.")


def status_of(*reports: AddReport | None) -> int:
    """The exit status after building: interrupted, some failed, or all well."""
    done = [report for report in reports if report is not None]
    if any(report.interrupted for report in done):
        return INTERRUPTED
    return SOME_FAILED if any(report.failed for report in done) else 0
