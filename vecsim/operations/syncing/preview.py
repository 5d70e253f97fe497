"""What a sync would do, found without a download: the answer of a dry run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from vecsim.catalog import Catalog, Listed, Listing
from vecsim.operations.local_files import local_path
from vecsim.operations.syncing.planning import (
    BYTES,
    CHECK,
    CONFLICT,
    FIELDS,
    MOVED_URL,
    NEW,
    hash_of_file,
)
from vecsim.operations.syncing.records import Change, SyncReport, changed_fields


class Preview:
    """Counts and reports what is to be done with listed rows, without doing it."""

    def __init__(
        self, catalog: Catalog, listing: Listing, names: dict[int, str], report: SyncReport
    ) -> None:
        self._catalog = catalog
        self._listing = listing
        self._names = names
        self._report = report
        self._gone_sizes = listing.gone_sizes()

    def run(self, changed: Callable[[Change], None]) -> None:
        """Call `changed` with what would change; renamed local files are found by their bytes."""
        for batch in self._listing.batches():
            for row in batch:
                change = self._change(row)
                if change is not None:
                    changed(change)

    def _change(self, row: Listed) -> Change | None:
        ref, source, report = row.ref, self._names[row.source], self._report
        if row.action == NEW:
            origin = self._origin(ref.url)
            if origin is not None:
                report.moved += 1
                was = self._catalog.images.by_id([origin])[origin].ref
                return Change("moved", ref.id, ref.url, was.id, was.url, source)
            report.added += 1
            return Change("added", ref.id, ref.url, source=source)
        if row.action == MOVED_URL:
            report.replaced += 1
            return Change("changed", ref.id, ref.url, "", row.detail, source)
        if row.action == CONFLICT:
            report.failed += 1
            return Change("conflict", ref.id, ref.url, source=source, detail=row.detail)
        if BYTES in row.detail:
            report.replaced += 1
            return Change("changed", ref.id, ref.url, source=source)
        report.to_check += row.action == CHECK
        if FIELDS in row.detail:
            report.updated += 1
            detail = ", ".join(changed_fields(self._stored_fields(ref.id), ref.fields))
            return Change("fields", ref.id, ref.url, source=source, detail=detail)
        return None

    def _stored_fields(self, id_: str) -> Mapping[str, str]:
        rows = self._catalog.images.by_id([id_])
        return rows[id_].ref.fields if rows else self._catalog.failures.by_id([id_])[id_].ref.fields

    def _origin(self, url: str) -> str | None:
        """Return the id of an image that is gone and has the bytes of a local file, or None."""
        path = local_path(url)
        try:
            if path is None or os.stat(path).st_size not in self._gone_sizes:
                return None
        except OSError:
            return None
        return self._listing.take_gone(hash_of_file(path))
