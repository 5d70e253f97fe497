"""Runs that load images: progress, Ctrl-C, sources in place of indexes, messages, exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from vecsim import system
from vecsim.cli.messages import (
    INTERRUPTED,
    SOME_FAILED,
    counted,
    in_shell,
    note,
    warn,
    without_progress,
)
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.run_record import current_run
from vecsim.cli.source_notes import note_sources, probable_cause
from vecsim.errors import StoppedError, VecsimError

if TYPE_CHECKING:
    from vecsim.engines.engine import WorkOptions
    from vecsim.operations.requests import Progress as Watch
    from vecsim.records import AddReport
    from vecsim.sources import Reading, SourceOptions


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """A running command: `watch` shows progress, `stop` is set by the first Ctrl-C.

    `busy`: set while there is work that is committed before the run ends.
    """

    watch: Watch
    stop: Event
    busy: Event


@contextmanager
def running(*, show: bool = True, total: Callable[[], int | None] = lambda: None) -> Iterator[Run]:
    """Show progress if `show`; the first Ctrl-C, SIGTERM or SIGHUP sets `stop`.

    A second one interrupts, as does the first while there is nothing to be committed.
    `total` returns the number of images; it runs in a thread, because counting can take long.
    """
    from vecsim.render import Progress

    stop, busy = Event(), Event()
    latest: AddReport | None = None

    def request_stop(number: int, frame: FrameType | None) -> None:
        if number == system.HANG_UP:
            _leave_terminal()
        if stop.is_set() or not busy.is_set():
            raise KeyboardInterrupt
        stop.set()
        warn("Stopping: committing completed work …")

    before = {
        number: signal.signal(number, request_stop)
        for number in system.END_SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN  # as `nohup` sets it
    }
    try:
        with Progress(quiet=without_progress() or not show) as progress:

            def count() -> None:
                with suppress(VecsimError, OSError):  # the run itself reports the error
                    progress.total = total()

            Thread(target=count, daemon=True).start()

            def watch(report: AddReport) -> None:
                nonlocal latest
                latest = report
                done = report.added + report.replaced + report.unchanged
                progress.update(done, report.failed, report.skipped)

            yield Run(watch, stop, busy)
    except StoppedError:
        raise
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


def with_counts(work: Callable[[Callable[[int, int], None]], T]) -> T:
    """Do `work`, which reports how many are done and in all, with progress on standard error."""
    from vecsim.render import Progress

    with Progress(quiet=without_progress()) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done)

        return work(progress)


def _leave_terminal() -> None:
    """Write nothing more to the terminal, which is gone: that would be an error."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream.isatty():
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reading_of(run: Run) -> Reading:
    """Return how a run reads its sources: until it is stopped."""
    from vecsim.sources import Reading

    return Reading(stopped=run.stop.is_set)


def note_run(place: object, index: Path, report: AddReport) -> None:
    """Write what a run did with `place`, and how many images failed in earlier runs."""
    from vecsim.index import Snapshot
    from vecsim.render import summarize_run

    current_run().add("runs", run_facts(place, index, report))
    note_sources(report.notes)
    note(f"{place}: {summarize_run(report)}")
    if cause := probable_cause(report):
        note(cause)
    if report.warned:
        note(
            f"{report.warned:,} decoded with warnings: see "
            f"`vecsim failures {in_shell(index)} --warnings`."
        )
    if report.uniform:
        note(f"{report.uniform:,} with one colour only: left out of matches without --show-all.")
    note_turned(report)
    if report.interrupted:
        note("Interrupted: completed work is kept. Run the same command again to continue.")
    elif report.failed:
        note(
            f"`vecsim failures {in_shell(index)}` lists them, "
            f"`vecsim retry {in_shell(index)}` tries them again."
        )
    if report.failed or not report.skipped:
        return
    with Snapshot(index) as snapshot:
        failed = sum(snapshot.failures_by_kind().values())
    if failed:
        images = counted(failed, "image")
        note(
            f"{images} failed in an earlier run: `vecsim retry {in_shell(index)}` tries them again."
        )


def note_turned(report: AddReport) -> None:
    """Write how many known images were stored in further orientations, or could not be."""
    if report.turned:
        note(f"{counted(report.turned, 'known image')} stored in further orientations.")
    if report.not_turned:
        note(
            f"{counted(report.not_turned, 'known image')} could not be loaded again, or have other "
            f"bytes now: compared as they are only."
        )


_COUNTS = (
    *("added", "replaced", "skipped", "unchanged", "moved", "updated", "failed", "reused"),
    *("warned", "uniform", "failures_by_kind", "interrupted"),
)


def run_facts(place: object, index: Path, report: AddReport) -> dict[str, Any]:
    """Return what the summary says of a run that loaded images."""
    counts = {name: getattr(report, name) for name in _COUNTS}
    return {"source": str(place), "index": str(index), **counts}


def status_of(*reports: AddReport) -> int:
    """Return the exit status after runs: interrupted, some images failed, or done."""
    if any(report.interrupted for report in reports):
        return INTERRUPTED
    failed = any(report.failed or report.notes.unreadable for report in reports)
    return SOME_FAILED if failed else 0


def start_early(places: Iterable[str | None], values: dict[str, Any]) -> None:
    """Begin to start processes for sources among `places` that are new, before large imports.

    Each takes a third of a second. `values`: the command's options for work.
    """
    from vecsim.engines.engine import EngineOptions
    from vecsim.operations.kept_folder import start_for_new_sources

    engine = EngineOptions(name=values.get("engine", "local"))
    start_for_new_sources((place for place in places if place is not None), engine)


@dataclass(frozen=True, slots=True)
class IndexedPlaces:
    """The indexes of the places that a command was given.

    `reports`: of the runs that indexed sources. `work`, `sources`: the command's options for them.
    """

    paths: list[Path]
    reports: list[AddReport]
    work: WorkOptions
    sources: SourceOptions

    @property
    def interrupted(self) -> bool:
        """Whether a run was interrupted, so that an index is incomplete."""
        return any(report.interrupted for report in self.reports)

    @property
    def status(self) -> int:
        """The exit status: interrupted, some images failed, or done."""
        return status_of(*self.reports)


def index_places(
    places: list[str], values: dict[str, Any], *, orientations: str | None = None
) -> IndexedPlaces:
    """Find the indexes of `places`; sources are indexed first, or their indexes updated.

    `values`: the command's options for sources, models and work, which are taken out.
    `orientations`: in which the images of the first place are stored, if it is a source.
    """
    from vecsim.index import is_index

    options, work = as_source_options(values), as_work_options(values)
    existing = [Path(place) for place in places if is_index(place)]
    if existing:
        use_model_of_index(existing[0], values)
    if len(existing) == len(places) and values["model"] == "auto" and not values["model_settings"]:
        # Nothing is loaded, and there is no model to compare.
        return IndexedPlaces(existing, [], work, options)
    from vecsim.operations.source_indexes import index_paths

    with running(show=len(existing) < len(places)) as run:
        run_options = as_run_options(values | {"orientations": orientations}, work, run)
        indexed = index_paths(places, options, run_options)
    reports = []
    for place, (path, report) in zip(places, indexed, strict=True):
        if report is not None:
            note_run(place, path, report)
            reports.append(report)
    return IndexedPlaces([path for path, _ in indexed], reports, work, options)


def use_model_of_index(index: Path, values: dict[str, Any]) -> None:
    """Ignore VECSIM_MODEL and VECSIM_WEIGHTS for an existing index, which has its own model.

    The weights are kept if the index needs a weights file and its own was moved.
    """
    from vecsim.operations.index_settings import needs_weights

    source = click.get_current_context().get_parameter_source
    if "model" in values and source("model") is ParameterSource.ENVIRONMENT:
        values["model"] = "auto"
    if source("weights") is ParameterSource.ENVIRONMENT and not needs_weights(index):
        values["weights"] = None
