"""Progress of the calls of the library: a bar, or a function of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import TypeAlias

from vecsim.errors import UsageError, VecsimError
from vecsim.records import AddReport
from vecsim.render.notebook import open_progress


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come: images done, of how many (None: not known), failed and skipped."""

    done: int
    total: int | None = None
    failed: int = 0
    skipped: int = 0


ProgressTo: TypeAlias = bool | Callable[[Progress], object] | None
"""Where progress goes: True for a bar, in a notebook or on standard error, or a function that is
called often with a `Progress`.
"""


@contextmanager
def watching(
    progress: ProgressTo, total: Callable[[], int | None] | int | None = None
) -> Iterator[Callable[[AddReport], None]]:
    """Yield what a run calls with its counts, for the duration of the block.

    `total`: how many images there are; a function is called on a thread, because counting can take
    long. Raises `UsageError` for a `progress` that is neither.
    """
    with _display(progress, total) as show:

        def watch(report: AddReport) -> None:
            show(report.added + report.replaced + report.unchanged, report.failed, report.skipped)

        yield watch


@contextmanager
def _display(
    progress: ProgressTo, total: Callable[[], int | None] | int | None
) -> Iterator[Callable[[int, int, int], None]]:
    check_progress(progress)
    if not progress:
        yield lambda done, failed, skipped: None
        return
    found: list[int | None] = [total if isinstance(total, int) else None]

    def count() -> None:
        with suppress(VecsimError):  # the run itself reports the error
            found[0] = total() if callable(total) else total

    if callable(total):
        Thread(target=count, daemon=True).start()
    if callable(progress):
        call = progress

        def report(done: int, failed: int, skipped: int) -> None:
            call(Progress(done, found[0], failed, skipped))

        yield report
        return
    with open_progress() as bar:

        def show(done: int, failed: int, skipped: int) -> None:
            bar.total = found[0]
            bar.update(done, failed, skipped)

        yield show


def check_progress(progress: object) -> None:
    """Raise `UsageError` for a progress that is neither True nor a function."""
    if progress not in (None, True, False) and not callable(progress):
        raise UsageError(f"progress={progress!r}: give True, or a function of a vecsim.Progress.")
