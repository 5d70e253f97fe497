"""Carries out what was decided: claims and fields, then fetched images, then removals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice

from vecsim.catalog import ImageRow, Listed, Listing
from vecsim.errors import FailureKind
from vecsim.fetch import facts_of_unchanged
from vecsim.index.writer import Writer
from vecsim.operations.chunk import Chunk, chunk_images, count_failure
from vecsim.operations.known_images import forget_mended_rows
from vecsim.operations.local_files import local_path
from vecsim.operations.syncing.planning import (
    CHECK,
    CONFLICT,
    FIELDS,
    MOVED_URL,
    NEW,
    STALE,
    TOUCHED,
)
from vecsim.operations.syncing.requests import Change, Kind, SyncReport, changed_fields
from vecsim.records import Embedded, Failure, ImageRef

Changed = Callable[[Change], None]

_KINDS: dict[str, Kind] = {NEW: "added", MOVED_URL: "changed", CHECK: "changed"}


class SyncChunk(Chunk):
    """A chunk that reports what each commit has changed.

    An outcome with the bytes of the image under its id, or of one that is gone, continues that one.
    """

    def __init__(
        self, writer: Writer, report: SyncReport, listing: Listing, changed: Changed
    ) -> None:
        super().__init__(writer, report, origin_of=self._find_origin)
        self._listing = listing
        self._changed = changed
        self._fetched: dict[str, tuple[Kind, str]] = {}

    def fetch(self, row: Listed, source: str) -> ImageRef:
        """Note that a listed image is fetched; returns its reference."""
        ref = replace(row.ref, source=source)
        self._fetched[ref.id] = (_KINDS[row.action], row.detail if row.action != CHECK else "")
        if row.action == CHECK:
            stored = self.writer.catalog.images.by_id([ref.id])
            self.check(replace(stored[ref.id], ref=ref))
        return ref

    def commit(self) -> None:
        """Commit the outcomes collected so far, and report what that changed."""
        images, failures, origins = self._images, self._failures, dict(self._origins)
        unchanged = self._unchanged
        super().commit()
        for row in unchanged:
            self._fetched.pop(row.ref.id, None)
        for image in images:
            self._changed(self._change(image.ref, origins.get(image.ref.id)))
        for failure in failures:
            self._fetched.pop(failure.ref.id, None)
            self._changed(failed(failure))

    def _change(self, ref: ImageRef, origin: ImageRow | None) -> Change:
        kind, previous_url = self._fetched.pop(ref.id, ("added", ""))
        if origin is not None:
            was = origin.ref
            return Change("moved", ref.id, ref.url, was.id, was.url, ref.source)
        return Change(kind, ref.id, ref.url, "", previous_url, ref.source)

    def _find_origin(self, image: Embedded) -> ImageRow | None:
        if not self.writer.segments:
            return None  # the index has no image yet
        images, sha256 = self.writer.catalog.images, image.facts.sha256
        own = images.by_id([image.ref.id]).get(image.ref.id)
        if own is not None:
            return own if sha256 and own.facts.sha256 == sha256 else None
        gone = self._listing.take_gone(sha256)
        return None if gone is None else images.by_id([gone])[gone]


def failed(failure: Failure) -> Change:
    """Return the change that a failure is."""
    kind: Kind = "conflict" if failure.kind == FailureKind.CONFLICT else "failed"
    ref = failure.ref
    return Change(kind, ref.id, ref.url, source=ref.source, detail=failure.message)


class SourceChanges:
    """Writes what needs no download: claims, fields, conflicts; one transaction per batch."""

    def __init__(
        self, writer: Writer, listing: Listing, names: dict[int, str], changed: Changed
    ) -> None:
        self._catalog = writer.catalog
        self._listing = listing
        self._names = names
        self._changed = changed

    def write(self, report: SyncReport, in_conflict: Collection[str]) -> None:
        """Write claims and fields; `in_conflict`: ids of which a source lists two URLs."""
        for batch in self._listing.batches(chunk_images()):
            with self._catalog.transaction():
                self._write_claims(batch)
                changes = self._write_fields([row for row in batch if FIELDS in row.detail])
                self._drop_failures(batch, in_conflict)
                self._note_files([row.ref.id for row in batch if TOUCHED in row.detail])
            forget_mended_rows(
                self._catalog,
                (replace(row.ref, source=self._names[row.source]) for row in batch),
            )
            report.updated += len(changes)
            for change in changes:
                self._changed(change)

    def write_conflicts(self, clashes: Sequence[Failure], report: SyncReport) -> None:
        """Record the rows in conflict, and `clashes` within one source, as failures."""
        rows = map(self._conflict, self._listing.with_action(CONFLICT))
        conflicts = chain(clashes, rows)
        while batch := list(islice(conflicts, chunk_images())):
            known = self._catalog.failures.by_id(failure.ref.id for failure in batch)
            # A failure of the URL that counts says more than that there is another URL.
            new = [f for f in batch if known.get(f.ref.id, f).kind == FailureKind.CONFLICT]
            with self._catalog.transaction():
                self._catalog.failures.insert(new)
            for failure in batch:
                count_failure(report, failure)
                if failure.ref.id not in known:
                    self._changed(failed(failure))

    def _write_claims(self, batch: list[Listed]) -> None:
        # Those of new images are written with their outcome, in one commit.
        self._catalog.sources.claim(
            (row.ref.id, row.source, row.ref.url if row.action in (CONFLICT, MOVED_URL) else "")
            for row in batch
            if row.action != NEW
        )

    def _write_fields(self, rows: list[Listed]) -> list[Change]:
        ids = [row.ref.id for row in rows]
        images, failures = self._catalog.images.by_id(ids), self._catalog.failures.by_id(ids)
        changes = []
        for row in rows:
            ref = row.ref
            if ref.id in images:
                before = images[ref.id].ref.fields
                self._catalog.images.update_fields([(images[ref.id].key, ref.fields)])
            else:
                before = failures[ref.id].ref.fields
            if ref.id in failures and failures[ref.id].ref.url == ref.url:
                self._catalog.failures.update_fields([(ref.id, ref.fields)])
            detail = ", ".join(changed_fields(before, ref.fields))
            source = self._names[row.source]
            changes.append(Change("fields", ref.id, ref.url, source=source, detail=detail))
        self._catalog.add_field_names(name for row in rows for name in row.ref.fields)
        return changes

    def _note_files(self, ids: Sequence[str]) -> None:
        """Store the times of files that were written again with the bytes they had."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        images = self._catalog.images
        for row in images.by_id(ids).values():
            path = local_path(row.ref.url)
            facts = row.facts if path is None else facts_of_unchanged(path, row.facts, now)
            images.update_facts([(row.key, facts)])

    def _drop_failures(self, batch: list[Listed], in_conflict: Collection[str]) -> None:
        """Delete failures that do not hold any more, except of ids with several URLs."""
        stale = {row.ref.id for row in batch if STALE in row.detail}
        listed = self._listing.of_ids(stale).items()
        kept = {id_ for id_, rows in listed if any(row.action == CONFLICT for row in rows)}
        self._catalog.failures.delete(stale - kept - set(in_conflict))

    def _conflict(self, row: Listed) -> Failure:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        ref = replace(row.ref, source=self._names[row.source])
        return Failure(ref, FailureKind.CONFLICT, row.detail, attempts=0, last_try=now)
