"""Removes, or marks as missing, what no source lists any more, unless too much would be lost."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from vecsim.catalog import ImageRow, Listing, SourceRow
from vecsim.errors import FailureKind, InputError
from vecsim.fetch import parse_address
from vecsim.hints import Action, Hint
from vecsim.index.writer import Writer
from vecsim.operations.chunk import chunk_images
from vecsim.operations.local_files import file_identity
from vecsim.operations.syncing.planning import NEW
from vecsim.operations.syncing.requests import Change, Kind, SyncOptions, SyncReport

Lost = tuple[str, int, bool, str | None]
"""A claim that a source has lost: id, source, whether the id is gone, URL of its image."""


class RemovalGuard:
    """The limits on what a run removes, for each source by itself."""

    def __init__(self, listing: Listing, owned: dict[int, int], options: SyncOptions) -> None:
        """`owned`: how many images each source had before the run, by its number."""
        self._listing = listing
        self._owned = owned
        self._options = options

    def check_empty(self, source: SourceRow) -> None:
        """Raise `InputError` if a source that had images lists none, unless that is allowed."""
        owned = 0 if self._options.keep_unlisted else self._owned.get(source.number, 0)
        if owned and not self._listing.count(source.number) and not self._options.allow_empty:
            raise InputError(
                f"{source.name}: lists no images, and {owned:,} of the index are from it. "
                f"Nothing was changed.",
                hint=Hint(Action.ALLOW_EMPTY_SOURCE),
            )

    def check_share(self, source: SourceRow, *, first: bool) -> None:
        """Raise `InputError` if a source has lost more than the allowed share of its images.

        `first`: nothing was fetched yet, so that each new row may turn out to be a renamed image.
        """
        if self._options.keep_unlisted:
            return
        owned, lost = self._owned.get(source.number, 0), self._listing.count_lost(source.number)
        certain = lost - (self._listing.count(source.number, NEW) if first else 0)
        if certain <= owned * self._options.max_remove / 100:
            return
        if self._options.allow_empty and not self._listing.count(source.number):
            return
        changed = "Nothing was changed." if first else "Nothing was removed; new images were added."
        raise InputError(
            f"{source.name}: no longer lists {lost:,} of its {owned:,} images "
            f"({100 * lost / owned:.0f} %), more than the {self._options.max_remove:g} % that one "
            f"run may remove. {changed}",
            hint=Hint(Action.RAISE_MAX_REMOVE, share=math.ceil(100 * lost / owned)),
        )


def keep_files_on_disk(listing: Listing, folders: set[int], report: SyncReport) -> None:
    """Keep files that their folder no longer lists although they are still there.

    They are below a folder that cannot be read or is hidden now. `folders`: numbers of the sources
    that are folders.
    """
    kept = [
        (id_, source)
        for id_, source, _, url in listing.lost()
        if source in folders and url is not None and not _is_gone(url)
    ]
    report.on_disk += len(kept)
    listing.keep(kept)


def _is_gone(url: str) -> bool:
    """Return whether it is certain that there is no file at `url`, which a folder listed."""
    path = parse_address(url).path or Path(url)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


# -- removing ------------------------------------------------------------------------------------


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
        rows = [row for row in images.by_id(gone).values() if _is_to_be_marked(row)]
        there = {row.key for row in rows if file_identity(row.ref.url) is not None}
        moment = self._writer.next_moment()
        with self._writer.catalog.transaction():
            images.mark_missing((row.key for row in rows if row.key not in there), moment)
            images.mark_missing(there, moment, unlisted=True)
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


def _is_to_be_marked(row: ImageRow) -> bool:
    """Tell whether a row that no source lists is not marked yet, or its file is there again."""
    return row.missing_since is None or not (row.unlisted or file_identity(row.ref.url) is None)
