"""Decides what is to be done with each row that the sources of a sync list, or what would be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from vecsim.catalog import Catalog, ImageRow, Listed, Listing, OwnerRow
from vecsim.errors import FailureKind
from vecsim.fetch import file_has_changed
from vecsim.operations.local_files import local_path
from vecsim.operations.syncing.requests import Change, SyncOptions, SyncReport, changed_fields
from vecsim.records import Failure

NEW, MOVED_URL, CHECK, KEEP, CONFLICT = "new", "url", "check", "keep", "conflict"
FIELDS, STALE, TOUCHED, BYTES = "fields", "stale", "touched", "bytes"
"""Details of CHECK and KEEP: write the fields; delete a failure that is of another URL, or of a
local file that is there again; a local file has another time and the same bytes, or is there again;
it has other bytes.
"""

# These failures say nothing about the URL itself: the image is fetched whenever it is listed.
_TRIED_AGAIN = (FailureKind.LOST, FailureKind.CONFLICT)


class Planner:
    """Compares rows with the catalog: images, failures, and the claims of other sources."""

    def __init__(
        self, catalog: Catalog, listing: Listing, names: Mapping[int, str], how: SyncOptions
    ) -> None:
        """`names`: of all sources, by number."""
        self._catalog = catalog
        self._listing = listing
        self._names = names
        self._refresh = how.refresh
        self._may_replace = how.keep_unlisted

    def plan(self, sources: Sequence[int]) -> None:
        """Store an action for each row; `sources`: the numbers of those that were read."""
        for batch in self._listing.batches():
            self._listing.decide(self._decisions(batch, set(sources)))

    def _decisions(self, batch: list[Listed], read: set[int]) -> list[tuple[int, str, str]]:
        ids = [row.ref.id for row in batch]
        images, failures = self._catalog.images.by_id(ids), self._catalog.failures.by_id(ids)
        owners, listed = self._catalog.sources.owners(ids), self._listing.of_ids(ids)
        decisions = []
        for row in batch:
            id_ = row.ref.id
            image, failure = images.get(id_), failures.get(id_)
            stored = None if self._may_replace else _stored(image, failure)
            claims = list(_claims(owners.get(id_, []), listed[id_], read, stored))
            decisions.append((row.position, *self._decide(row, image, failure, claims)))
        return decisions

    def _decide(
        self,
        row: Listed,
        image: ImageRow | None,
        failure: Failure | None,
        claims: list[tuple[int, str]],
    ) -> tuple[str, str]:
        """Return the action and its detail."""
        url = row.ref.url
        first, first_url = claims[0]
        if url != first_url:
            return (
                CONFLICT,
                f"{self._names[first]} lists {first_url or 'no URL'}, {self._name(row)} {url}",
            )
        own = first == row.source
        if not own and (image is not None or failure is not None or not _leads(row, claims)):
            return KEEP, ""
        if image is not None and image.ref.url == url:
            details = [FIELDS] * (own and image.ref.fields != row.ref.fields)
            action, detail = self._compare_bytes(image)
            claimed = {listed for _, listed in claims}
            if action == KEEP and image.facts.sha256 and local_path(url) is not None:
                claimed.discard(url)  # the file is there again: it can be loaded
            details += [STALE] * (failure is not None and failure.ref.url not in claimed)
            return action, ",".join([*details, *filter(None, [detail])])
        if failure is not None and failure.ref.url == url and not _is_tried_again(failure):
            return KEEP, FIELDS if failure.ref.fields != row.ref.fields else ""
        return (NEW, "") if image is None else (MOVED_URL, image.ref.url)

    def _compare_bytes(self, image: ImageRow) -> tuple[str, str]:
        """Return the action and the detail for an image that is listed with its stored URL."""
        path = local_path(image.ref.url) if image.facts.sha256 else None
        if self._refresh and image.ref.url:
            return CHECK, ""
        if path is None:
            return KEEP, TOUCHED if image.missing_since is not None else ""
        if not file_has_changed(path, image.facts):
            return KEEP, TOUCHED if image.missing_since is not None else ""
        if _hash_of_file(path) == image.facts.sha256:
            return KEEP, TOUCHED
        return CHECK, BYTES

    def _name(self, row: Listed) -> str:
        return row.ref.location or self._names[row.source]


def _stored(image: ImageRow | None, failure: Failure | None) -> str | None:
    """Return the URL under which an id is stored, if it is."""
    if image is not None:
        return image.ref.url
    return failure.ref.url if failure is not None else None


def _claims(
    owners: list[OwnerRow], listed: list[Listed], read: set[int], stored: str | None
) -> Iterator[tuple[int, str]]:
    """Yield the sources that list an id, the first to have done so first, each with its URL.

    `listed`: its rows in the sources that were `read`.
    """
    now = {row.source: row.ref.url for row in listed}
    for owner in owners:
        if owner.source in now:
            yield owner.source, now.pop(owner.source)
        elif owner.source not in read:
            yield owner.source, owner.url or stored or ""
    if not owners and stored is not None:
        # An image that no source has listed so far belongs to the first that lists it as it is.
        same = [source for source, url in now.items() if url == stored]
        if not same:
            yield 0, stored
        for source in same:
            yield source, now.pop(source)
    yield from now.items()


def _leads(row: Listed, claims: list[tuple[int, str]]) -> bool:
    """Return whether a row is the first of those that list its URL."""
    return next(source for source, url in claims if url == row.ref.url) == row.source


def _hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _is_tried_again(failure: Failure) -> bool:
    """Return whether an image that failed is fetched again: a local file that was written since."""
    if failure.kind in _TRIED_AGAIN:
        return True
    path = local_path(failure.ref.url)
    try:
        tried = datetime.fromisoformat(failure.last_try).timestamp()
        return path is not None and os.stat(path).st_mtime >= tried - 1
    except (OSError, ValueError):
        return False


# -- dry runs: what would be done, found without a download --------------------------------------


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
        return self._listing.take_gone(_hash_of_file(path))
