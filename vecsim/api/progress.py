"""Progress of the calls of the library: a bar, or a function of the caller; cancelling them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol, TypeAlias, TypeVar

from vecsim.errors import StoppedError, UsageError, VecsimError
from vecsim.records import AddReport
from vecsim.render.notebook import open_progress


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come: images done, of how many (None: not known), failed and skipped.

    >>> seen = []
    >>> index.add("Pictures", progress=seen.append).added
    6
    >>> seen[-1]
    Progress(done=6, total=6, failed=0, skipped=0)
    """

    done: int
    total: int | None = None
    failed: int = 0
    skipped: int = 0


T = TypeVar("T")

ProgressTo: TypeAlias = bool | Callable[[Progress], object] | None
"""Where progress goes: True for a bar, in a notebook or on standard error, or a function that is
called often with a `Progress`.
"""


class _Show(Protocol):
    """What a display of progress is called with."""

    def __call__(
        self, done: int, failed: int = 0, skipped: int = 0, total: int | None = None
    ) -> None:
        """Show counts so far; `total`: of how many, where that is known only now."""


class Counted(Protocol):
    """What a call with a known number of steps reports to."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Take how many are done, and of how many. Raises `StoppedError` once it is cancelled."""


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
def counting(progress: ProgressTo, cancel: Event | None, what: str) -> Iterator[Counted]:
    """Yield what a call reports to with the counts done and in all, for the duration of the block.

    Once `cancel` is set, the next report raises `StoppedError`, which names `what` was cancelled.
    """
    with _display(progress) as show:

        def report(done: int, total: int | None = None) -> None:
            if cancel is not None and cancel.is_set():
                raise StoppedError(f"{what} was cancelled.")
            show(done, total=total)

        yield report


class SearchWatch:
    """Progress and cancellation of a search, which runs each time that its result is read."""

    def __init__(
        self, progress: ProgressTo = None, cancel: Event | None = None, total: int | None = None
    ) -> None:
        """`total`: how many images are searched for. Raises `UsageError`."""
        check_progress(progress)
        self._progress, self._cancel, self._total = progress, cancel, total
        self._report: Counted | None = None

    def __call__(self, done: int) -> None:
        """Show how many images were searched for. Raises `StoppedError` once it is cancelled."""
        if self._report is not None:
            self._report(done, self._total)

    def over(self, blocks: Callable[[], Iterator[T]]) -> Callable[[], Iterator[T]]:
        """Return `blocks` so that progress is shown while a result of it is read."""

        def shown() -> Iterator[T]:
            with self.showing():
                yield from blocks()

        return shown

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show progress for the duration of the block, in which a result is read."""
        before = self._report
        with counting(self._progress, self._cancel, "The search") as self._report:
            try:
                yield
            finally:
                self._report = before


@contextmanager
def _display(
    progress: ProgressTo, total: Callable[[], int | None] | int | None = None
) -> Iterator[_Show]:
    check_progress(progress)
    found: list[int | None] = [total if isinstance(total, int) else None]

    def count() -> None:
        with suppress(VecsimError, OSError):  # the run itself reports the error
            found[0] = total() if callable(total) else total

    if callable(total) and progress:
        Thread(target=count, daemon=True).start()
    with nullcontext() if callable(progress) or not progress else open_progress() as bar:

        def show(done: int, failed: int = 0, skipped: int = 0, total: int | None = None) -> None:
            found[0] = found[0] if total is None else total
            if callable(progress):
                progress(Progress(done, found[0], failed, skipped))
            elif bar is not None:
                bar.total = found[0]
                bar.update(done, failed, skipped)

        yield show


def check_progress(progress: object) -> None:
    """Raise `UsageError` for a progress that is neither True nor a function."""
    if progress not in (None, True, False) and not callable(progress):
        raise UsageError(f"progress={progress!r}: give True, or a function of a vecsim.Progress.")
