"""Removes, or marks as missing, what no source of an index lists any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from vecsim.catalog import Listing
from vecsim.errors import FailureKind
from vecsim.index.writer import Writer
from vecsim.operations.chunk import chunk_images
from vecsim.operations.syncing.records import Change, Kind, SyncOptions, SyncReport

Lost = tuple[str, int, bool, str | None]
"""A claim that a source has lost: id, source, whether the id is gone, URL of its image."""


class Removal:
    """The end of a sync: releases lost claims, and removes the images that are gone."""

    def __init__(
        self, writer: Writer, names: Mapping[int, str], report: SyncReport, how: SyncOptions
    ) -> None:
        """`names`: of all sources, by number."""
        self._writer = writer
        self._names = names
        self._report = report
        self._keep_missing = how.keep_missing
        self._keep_unlisted = how.keep_unlisted

    def run(self, listing: Listing) -> Iterator[Change]:
        """Remove in chunks, each in one transaction; yields the changes of each after it."""
        lost = listing.lost()
        while chunk := list(islice(lost, chunk_images())):
            if self._keep_unlisted:
                self._release(chunk)
            else:
                yield from self._mark(chunk) if self._keep_missing else self._remove(chunk)

    def _release(self, chunk: list[Lost]) -> None:
        """Leave the images without a source, and delete the failures."""
        catalog = self._writer.catalog
        with catalog.transaction():
            catalog.advance("generation")
            catalog.sources.release((id_, source) for id_, source, *_ in chunk)
            catalog.failures.delete(id_ for id_, _, is_gone, _ in chunk if is_gone)

    def keep_marked(self, listing: Listing) -> None:
        """Leave out what was marked as missing before."""
        images = self._writer.catalog.images
        lost = listing.lost()
        while chunk := list(islice(lost, chunk_images())):
            rows = images.by_id(id_ for id_, *_ in chunk)
            marked = {id_ for id_, row in rows.items() if row.missing_since is not None}
            listing.keep((id_, source) for id_, source, *_ in chunk if id_ in marked)

    def _remove(self, chunk: list[Lost]) -> list[Change]:
        gone = {id_: url for id_, _, is_gone, url in chunk if is_gone}
        released = [claim for claim in chunk if not claim[2]]
        catalog = self._writer.catalog
        failed = set(catalog.failures.by_id(gone))
        with catalog.transaction():
            catalog.sources.release((id_, source) for id_, source, *_ in released)
            # What is in conflict now is found again by the next sync.
            conflicts = catalog.failures.by_id(id_ for id_, *_ in released)
            catalog.failures.delete(
                id_ for id_, failure in conflicts.items() if failure.kind == FailureKind.CONFLICT
            )
            self._writer.remove(gone)
        images = [id_ for id_, url in gone.items() if url is not None]
        self._report.removed += len(images)
        self._report.dropped += len(failed)
        self._report.released += len(released)
        return [*self._changes(gone, chunk, "removed"), *self._released(released)]

    def _mark(self, chunk: list[Lost]) -> list[Change]:
        gone = {id_: url for id_, _, is_gone, url in chunk if is_gone and url is not None}
        images = self._writer.catalog.images
        rows = [row for row in images.by_id(gone).values() if row.missing_since is None]
        with self._writer.catalog.transaction():
            images.mark_missing((row.key for row in rows), self._writer.next_moment())
        self._report.missing += len(rows)
        return list(self._changes({row.ref.id: row.ref.url for row in rows}, chunk, "missing"))

    def _changes(
        self, gone: Mapping[str, str | None], chunk: list[Lost], kind: Kind
    ) -> Iterator[Change]:
        sources = {id_: self._names[source] for id_, source, *_ in chunk}
        for id_, url in gone.items():
            detail = "" if url is not None else "it had failed"
            yield Change(kind, id_, url or "", source=sources[id_], detail=detail)

    def _released(self, released: list[Lost]) -> Iterator[Change]:
        for id_, source, _, url in released:
            yield Change("released", id_, url or "", source=self._names[source])

    def preview(self, listing: Listing) -> Iterator[Change]:
        """Yield what `run` would change, and count it."""
        for id_, source, is_gone, url in listing.lost():
            kind: Kind = "missing" if self._keep_missing else "removed" if is_gone else "released"
            if kind == "released":
                self._report.released += 1
            elif kind == "removed":
                self._report.removed += url is not None
                self._report.dropped += url is None
            elif not is_gone or url is None:
                continue
            else:
                self._report.missing += 1
            detail = "it had failed" if kind == "removed" and url is None else ""
            yield Change(kind, id_, url or "", source=self._names[source], detail=detail)
