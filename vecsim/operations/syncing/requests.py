"""What a sync is asked to do, and what it did; names its sources and reads them completely."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from vecsim.catalog import Listing, SourceRow
from vecsim.errors import DuplicateIdError, FailureKind, UsageError
from vecsim.hints import Action, Hint
from vecsim.operations.requests import RunOptions
from vecsim.records import AddReport, Failure, ImageRef
from vecsim.sources import Reading, SourceOptions, check_name, read_source, source_path

Kind = Literal[
    "added", "moved", "changed", "fields", "removed", "missing", "released", "failed", "conflict"
]

_BATCH = 500  # rows read at once


@dataclass(frozen=True, slots=True)
class SyncSource:
    """One source of a sync.

    `name`: by which the index remembers it. `place`: the path of its list or folder, or `-`.
    `read`: reads the source at a place.
    `is_folder`: whether what it lists are files of a folder.
    """

    name: str
    place: str
    read: Callable[[str, Reading], Iterator[ImageRef]]
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How a sync works. Raises `UsageError` for a `max_remove` outside 0 to 100.

    `dry_run`: only find out what would change. `max_remove`: per cent of the images of a source
    that one run may remove. `allow_empty`: an empty source removes all of its images.
    `keep_missing`: images that are gone are marked as missing instead of removed. `adopt`: images
    without a source become those of this one. `refresh`: request all other images again as well.
    `keep_unlisted`: images that are gone stay without a source, so that their vectors can be used
    again; nothing is refused then, and an id with two URLs follows `on_duplicate`.

    >>> vecsim.SyncOptions(max_remove=5)  # what `Index.sync` makes of its arguments
    SyncOptions(dry_run=False, max_remove=5, ...)
    """

    dry_run: bool = False
    max_remove: float = 20.0
    allow_empty: bool = False
    keep_missing: bool = False
    adopt: bool = False
    refresh: bool = False
    keep_unlisted: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_remove <= 100:
            raise UsageError(f"max_remove={self.max_remove:g}: must be from 0 to 100 per cent.")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the index.

    `kind`: added; moved (other id or URL, same bytes); changed (other bytes); fields (other fields,
    named by `detail`); removed; missing (marked as such); released (another source still lists
    it); failed and conflict (`detail` says why). `previous_id`, `previous_url`: of a moved image,
    and of one that was fetched from another URL.

    >>> from pathlib import Path
    >>> changes = []
    >>> report = index.sync("Pictures", changed=changes.append)
    >>> changes[0].kind, Path(changes[0].id).name
    ('added', '1.jpg')
    """

    kind: Kind
    id: str
    url: str
    previous_id: str = ""
    previous_url: str = ""
    source: str = ""
    detail: str = ""


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the names of the fields that differ."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


@dataclass(slots=True, repr=False)
class SyncReport(AddReport):
    """What a sync did, or would do. Counts are images.

    `listed`: rows of the sources. `removed`: gone. `missing`: gone, and marked as missing.
    `released`: no longer listed by one source, but by another. `dropped`: failures of rows that are
    gone. `on_disk`: files of a folder that are not listed but still there, so that they are kept.
    `unnamed`: rows with neither id nor URL, and broken ones, because of which their sources remove
    nothing. `to_check`: a dry run would read or request them again.

    >>> index.sync("Pictures")
    SyncReport(added=6, listed=6)
    """

    listed: int = 0
    removed: int = 0
    missing: int = 0
    released: int = 0
    dropped: int = 0
    on_disk: int = 0
    unnamed: int = 0
    to_check: int = 0
    dry_run: bool = False

    @property
    def unreadable(self) -> list[str]:
        """Folders that cannot be read, and why."""
        return self.notes.unreadable


# -- sources: named, then read completely before anything changes --------------------------------


def name_sources(
    places: list[str], options: SourceOptions, name: str | None = None
) -> list[SyncSource]:
    """Return the sources at `places`, called `name` or by their resolved paths.

    Raises `UsageError` for one name for several sources, for a source given twice, and for one
    without a path that has no name; `InputError` if there is nothing at a place.
    """
    check_name(name, places)
    sources = []
    for place in places:
        path = source_path(place)
        if not (name or path):
            raise UsageError(
                f"{place}: standard input and pipes have no path by which the index could "
                f"remember them: give the source a name."
            )
        read_source(place, options)  # raises at once if there is nothing
        sources.append(
            SyncSource(
                name or os.path.realpath(path),
                path or place,
                partial(_read, options),
                is_folder=place != "-" and Path(place).is_dir(),
            )
        )
    if len({source.name for source in sources}) < len(sources):
        raise UsageError("A source was given twice.")
    return sources


def _read(options: SourceOptions, place: str, reading: Reading) -> Iterator[ImageRef]:
    return read_source(place, options, reading)


def read_completely(
    listing: Listing, source: SyncSource, row: SourceRow, report: SyncReport, options: RunOptions
) -> list[Failure]:
    """Read a source into `listing`; returns its rows of an id that it lists with two URLs.

    Raises `InputError` if it cannot be read to its end.
    """
    reading = Reading(report.notes, stopped=lambda: options.stopped, may_be_empty=True)
    refs = source.read(row.place, reading)
    clashes: list[Failure] = []
    while not options.stopped and (batch := list(islice(refs, _BATCH))):
        repeated = listing.add(row.number, batch)
        report.listed += len(batch) - len(repeated)
        report.unnamed += sum(not ref.url and ref.id == Path(ref.location).name for ref in batch)
        new = list(_clashes(listing, row.number, source.name, repeated))
        report.skipped += len(repeated) - len(new)
        clashes += new
        options.progress(report)
    return clashes


def refuse_duplicate(failure: Failure, on_duplicate: str) -> None:
    """Raise `DuplicateIdError` for an id that a source lists with two URLs, under "error"."""
    if on_duplicate == "error":
        raise DuplicateIdError(
            f"{failure.message}. Ids must be unique.", hint=Hint(Action.RESOLVE_DUPLICATE_ID)
        )


def _clashes(
    listing: Listing, number: int, name: str, repeated: Iterable[ImageRef]
) -> Iterator[Failure]:
    """Yield a failure for each of the `repeated` rows that lists another URL than before."""
    repeated = list(repeated)
    listed = listing.of_ids(ref.id for ref in repeated)
    for ref in repeated:
        first = next(row.ref for row in listed[ref.id] if row.source == number)
        if first.url != ref.url:
            message = (
                f"the id is listed twice: {first.location} has {first.url}, {ref.location} has "
                f"{ref.url}"
            )
            marked = ImageRef(ref.id, ref.url, ref.fields, ref.location, name)
            yield Failure(marked, FailureKind.CONFLICT, message, attempts=0)
