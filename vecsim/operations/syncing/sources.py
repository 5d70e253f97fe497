"""The sources of a sync: named, then read completely before anything changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from vecsim.catalog import Listing, SourceRow
from vecsim.errors import DuplicateIdError, FailureKind, UsageError
from vecsim.hints import Action, Hint
from vecsim.operations.requests import RunOptions
from vecsim.operations.syncing.records import OnUnreadable, SyncReport, SyncSource
from vecsim.records import Failure, ImageRef
from vecsim.sources import SourceOptions, read_source, source_path

_BATCH = 500


def name_sources(
    places: list[str], options: SourceOptions, name: str | None = None
) -> list[SyncSource]:
    """Return the sources at `places`, called `name` or by their resolved paths.

    Raises `UsageError` for one name for several sources, for a source given twice, and for one
    without a path that has no name; `InputError` if there is nothing at a place.
    """
    if name is not None and len(places) != 1:
        raise UsageError("One name was given for several sources: sync them one after the other.")
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


def _read(options: SourceOptions, place: str, on_unreadable: OnUnreadable) -> Iterator[ImageRef]:
    return read_source(place, options, on_unreadable=on_unreadable, may_be_empty=True)


def read_completely(
    listing: Listing, source: SyncSource, row: SourceRow, report: SyncReport, options: RunOptions
) -> list[Failure]:
    """Read a source into `listing`; returns its rows of an id that it lists with two URLs.

    Raises `InputError` if it cannot be read to its end.
    """
    # The paths of images begin with the path as it was first written; through a link it is another.
    same = os.path.realpath(row.place) == os.path.realpath(source.place)
    refs = source.read(
        row.place if same else source.place,
        lambda error: report.unreadable.append(f"{error.filename}: {error.strerror}"),
    )
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
