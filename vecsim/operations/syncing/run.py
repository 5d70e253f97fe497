"""The whole of `sync`: read, plan, write what needs no download, fetch, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vecsim.catalog import Listing, SourceRow
from vecsim.index.snapshot import LISTED_ONLY
from vecsim.index.writer import Writer
from vecsim.operations.building import run_chunks, store_thumbnails_setting
from vecsim.operations.orienting import complete_orientations, store_setting
from vecsim.operations.requests import RunOptions
from vecsim.operations.syncing.applying import SourceChanges, SyncChunk, failed
from vecsim.operations.syncing.planning import CHECK, KEEP, MOVED_URL, NEW, Planner, Preview
from vecsim.operations.syncing.removing import Removal, RemovalGuard, keep_files_on_disk
from vecsim.operations.syncing.requests import (
    Change,
    SyncOptions,
    SyncReport,
    SyncSource,
    read_completely,
    refuse_duplicate,
)
from vecsim.records import Failure, ImageRef


def sync(
    path: Path,
    sources: Sequence[SyncSource],
    how: SyncOptions,
    options: RunOptions,
    changed: Callable[[Change], None] = lambda change: None,
) -> SyncReport:
    """Make the index hold what `sources` list: add, fetch again, write fields, remove.

    Each source is read to its end before anything changes. Images that no source lists any more are
    removed last. After an interruption, the same call carries on. `changed` is called with each
    change, after it is durable.

    Raises `InputError` for a source that cannot be read, that is empty, or that has lost more than
    the allowed share of its images, and what `add` does.
    """
    with Writer(path, wait=options.wait) as writer:
        run = _Sync(writer, sources, how, options, changed)
        if how.dry_run:
            with suppress(_DryRunError), writer.catalog.transaction():
                run.prepare()
                run.preview()
                raise _DryRunError
        else:
            store_thumbnails_setting(writer, options.thumbnails)
            store_setting(writer, options.orientations)
            # A source that is refused leaves no trace.
            with writer.catalog.transaction():
                run.prepare()
            run.carry_out()
            if options.orientations is not None and not run.report.interrupted:
                complete_orientations(writer, options, run.report)
    return run.report


class _DryRunError(Exception):
    """Raised to roll back what a dry run has written to compare sources with the catalog."""


class _Sync:
    """One sync of one index."""

    def __init__(
        self,
        writer: Writer,
        sources: Sequence[SyncSource],
        how: SyncOptions,
        options: RunOptions,
        changed: Callable[[Change], None],
    ) -> None:
        self.report = SyncReport(dry_run=how.dry_run)
        self._writer = writer
        self._catalog = writer.catalog
        self._sources = sources
        self._how = how
        self._options = options
        self._changed = changed
        self._listing: Listing = writer.catalog.listing()
        self._rows: list[SourceRow] = []
        self._names: dict[int, str] = {0: "an image without a source"}
        self._clashes: list[Failure] = []

    def prepare(self) -> None:
        """Read the sources, and decide what is to be done. Raises `InputError`."""
        self._register()
        owned = self._catalog.sources.counts()
        self._guard = RemovalGuard(self._listing, owned, self._how)
        for source, row in zip(self._sources, self._rows, strict=True):
            unnamed = self.report.unnamed
            self._clashes += read_completely(self._listing, source, row, self.report, self._options)
            if self._clashes and self._how.keep_unlisted:
                refuse_duplicate(self._clashes[0], self._options.on_duplicate)
            if not self._options.stopped:
                self._guard.check_empty(row)
            if self.report.unnamed > unnamed:
                self._incomplete.add(row.number)
        if self._options.stopped:
            self.report.interrupted = True
            return
        numbers = [row.number for row in self._rows]
        Planner(self._catalog, self._listing, self._names, self._how).plan(numbers)
        self.report.skipped += sum(self._listing.count(number, KEEP) for number in numbers)
        self._listing.find_lost(n for n in numbers if n not in self._incomplete)
        if self._how.keep_missing:
            self._removal().keep_marked(self._listing)
        if not self._how.keep_unlisted:
            folders = {n for s, n in zip(self._sources, numbers, strict=True) if s.is_folder}
            keep_files_on_disk(self._listing, folders, self.report)
        for row in self._rows:
            self._guard.check_share(row, first=True)

    def _register(self) -> None:
        """Make the sources known to the catalog."""
        self._incomplete: set[int] = set()
        now = self._writer.next_moment()
        self._catalog.sources.places = {source.name: source.place for source in self._sources}
        with self._catalog.transaction():
            for source in self._sources:
                row = self._catalog.sources.register(source.name, source.place)
                # A sync that carries on after an interruption began when that one did.
                self._rows.append(replace(row, began_at=row.began_at or now))
            if self._how.adopt:
                self._catalog.sources.adopt(self._rows[0].number)
            if self._how.keep_unlisted:
                self._catalog.set_setting(LISTED_ONLY, "yes")
        self._names |= {row.number: row.name for row in self._catalog.sources.all()}

    def preview(self) -> None:
        """Report what `carry_out` would do."""
        if self.report.interrupted:
            return
        Preview(self._catalog, self._listing, self._names, self.report).run(self._changed)
        for failure in self._clashes:
            self.report.failed += 1
            self._changed(failed(failure))
        for change in self._removal().preview(self._listing):
            self._changed(change)

    def carry_out(self) -> None:
        """Write, fetch and remove. Raises `InputError` if too much would be removed."""
        if self.report.interrupted:
            return
        twice = {failure.ref.id for failure in self._clashes}
        with self._catalog.transaction():
            for row in self._rows:
                self._catalog.sources.update(row)
        changes = SourceChanges(self._writer, self._listing, self._names, self._changed)
        changes.write(self.report, in_conflict=twice)
        chunk = SyncChunk(self._writer, self.report, self._listing, self._changed)
        run_chunks(chunk, self._refs(chunk), self._options)
        if self._options.stopped:
            self.report.interrupted = True
            return
        # Only now: an image that was added has deleted the failure of its id.
        changes.write_conflicts(self._clashes, self.report)
        for row in self._rows:
            self._guard.check_share(row, first=False)
        for change in self._removal().run(self._listing):
            self._changed(change)
        self._complete()

    def _refs(self, chunk: SyncChunk) -> Iterator[ImageRef]:
        for action in (NEW, MOVED_URL, CHECK):
            for row in self._listing.with_action(action):
                yield chunk.fetch(row, self._names[row.source])

    def _removal(self) -> Removal:
        return Removal(self._writer, self._names, self.report, self._how)

    def _complete(self) -> None:
        """Note in the catalog that the sync of these sources is complete."""
        began = min(row.began_at for row in self._rows)
        now = self._writer.next_moment()
        with self._catalog.transaction():
            for row in self._rows:
                done = replace(row, began_at="", synced_from=began, synced_at=now)
                self._catalog.sources.update(done)
