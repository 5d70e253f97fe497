"""Makes an index of what another index references, with another model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from vecsim.catalog import Catalog, ImageRow
from vecsim.errors import FailureKind, InputError, UsageError
from vecsim.index import IndexFolder, Snapshot
from vecsim.index.late_thumbnails import SETTING as THUMBNAILS
from vecsim.index.writer import Writer
from vecsim.operations.building import add, create
from vecsim.operations.index_settings import (
    THRESHOLD,
    check_model,
    stored_threshold,
)
from vecsim.operations.local_files import local_path
from vecsim.operations.orienting import stored_setting
from vecsim.operations.requests import RunOptions
from vecsim.records import AddReport, ImageRef

_BATCH = 500


def build_from_index(path: Path, old: Path, options: RunOptions) -> tuple[AddReport, int]:
    """Make the index at `path` of the images and failures of the one at `old`, with a model anew.

    The pictures are loaded from where `old` says they are; its own vectors are not used, so that
    its model may be one that cannot be loaded any more. Ids, URLs, fields, decisions, the sources
    and which images each lists are taken along, and the index's own threshold if both have the same
    model. Calling it again resumes the work; what `path` says of a pair already stays, if newer.

    Returns the report, and how many images have no URL and were left out. Raises `UsageError` if
    both are one index, `InputError` if no image of `old` has a URL, and what `build_index` does.
    """
    if path.resolve() == old.resolve():
        raise UsageError(f"{path}: an index cannot be built from itself: choose another place.")
    with Snapshot(old) as before:
        _check_urls(before)
        if IndexFolder(path).exists():
            check_model(path, options.model)
        else:
            if options.thumbnails is None:
                options = replace(options, thumbnails=before.setting(THUMBNAILS) != "no")
            if options.orientations is None:
                options = replace(options, orientations=stored_setting(before))
            model = replace(options.model, embedder=create(path, options))
            options = replace(options, model=model)
        _copy_settings(path, before, wait=options.wait)
        report = add(path, _refs(before), options)
        _copy_claims(path, before, wait=options.wait)
        without = sum(not row.ref.url for row in before.all_rows())
    return report, without


def count_refs(old: Path) -> int:
    """Return how many images and failures the index at `old` references."""
    with Snapshot(old) as before:
        return sum(1 for _ in _refs(before))


def _check_urls(before: Snapshot) -> None:
    """Raise `InputError` if the index holds images, and none of them has a URL."""
    if before.count and next(_refs(before), None) is None:
        raise InputError(
            f"{before.folder.path}: its vectors were made elsewhere, and none has a URL: there are "
            f"no pictures to embed."
        )


def _refs(before: Snapshot) -> Iterator[ImageRef]:
    """Yield the references of images and of failures that have a URL.

    A failure of an image's id is left out: the image says more. So is a row that was not tried
    because its id stands for another URL; the next sync finds that again.
    """
    for row in before.all_rows():
        if row.ref.url:
            yield replace(row.ref, location=str(before.folder.path))
    for failure in before.failures():
        known = before.rows_of_ids([failure.ref.id])
        if failure.ref.url and failure.kind != FailureKind.CONFLICT and not known:
            yield replace(failure.ref, location=str(before.folder.path))


def _copy_settings(path: Path, before: Snapshot, *, wait: bool | float) -> None:
    """Copy decisions, sources, names of fields and, for the same model, the threshold."""
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        catalog = writer.catalog
        known = {decision.pair: decision for decision in catalog.decisions.all()}
        catalog.decisions.put(
            decision
            for decision in before.decisions()
            if decision.pair not in known or known[decision.pair].decided_at < decision.decided_at
        )
        catalog.add_field_names(before.field_names)
        for source in before.catalog.sources.all():
            catalog.sources.register(source.name, source.place)
        own = stored_threshold(before)
        same_model = catalog.fingerprint == before.fingerprint
        if own is not None and same_model and catalog.setting(THRESHOLD) is None:
            catalog.set_setting(THRESHOLD, repr(own))


def _copy_claims(path: Path, before: Snapshot, *, wait: bool | float) -> None:
    """Copy which source lists which image, and which images of the web are marked as missing.

    Only now: a claim on an image that is not there yet would look like one that the source lost.
    """
    sources = before.catalog.sources.all()
    refs = _refs(before)
    with Writer(path, wait=wait) as writer:
        catalog = writer.catalog
        with catalog.transaction():
            numbers = {
                source.number: catalog.sources.register(source.name, source.place).number
                for source in sources
            }
        while batch := [ref.id for ref in islice(refs, _BATCH)]:
            rows = catalog.images.by_id(batch)
            there = rows.keys() | catalog.failures.by_id(batch).keys()
            owners = before.catalog.sources.owners(there) if sources else {}
            claims = (owner for id_ in batch for owner in owners.get(id_, []))
            with catalog.transaction():
                catalog.sources.claim(
                    (owner.id, numbers[owner.source], owner.url)
                    for owner in claims
                    if owner.source in numbers
                )
                catalog.advance("generation")
                _copy_missing(catalog, before.rows_of_ids(batch), rows)


def _copy_missing(catalog: Catalog, before: dict[str, ImageRow], rows: dict[str, ImageRow]) -> None:
    """Mark images that `before` marks as missing, but for listed files, which were just read."""
    for old in before.values():
        is_marked = old.missing_since and (old.unlisted or local_path(old.ref.url) is None)
        if is_marked and old.ref.id in rows:
            keys = [rows[old.ref.id].key]
            catalog.images.mark_missing(keys, old.missing_since or "", unlisted=old.unlisted)
