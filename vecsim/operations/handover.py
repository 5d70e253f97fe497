"""Hands an index over to a file or database, and takes it back: counted, with checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vecsim.errors import DuplicateIdError, FingerprintError, InputError, StorageError
from vecsim.hints import Action, Hint
from vecsim.index import IndexFolder, Snapshot
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.operations.external_vectors import EXTERNAL, fingerprint_of
from vecsim.operations.index_settings import THRESHOLD, stored_threshold
from vecsim.operations.requests import ModelChoice
from vecsim.records import Embedded, Fingerprint, Float32
from vecsim.search.score import normalise
from vecsim.stores import Batch, Manifest, Place, Store, check_read, open_store, total_of
from vecsim.stores.rows import rows_at_once

# Vectors per commit, as in `external_vectors`.
_CHUNK = 32_768

# A vector whose numbers are all this close to those of its unit vector is stored as it is, so that
# it comes back with the same bits. Unit vectors of float32 are, when they are normalised again.
_UNIT_TOLERANCE = 1.2e-7


@dataclass(frozen=True, slots=True)
class Handover:
    """What was handed over or taken back. `count`: rows there, or images of the index, at the end.

    `written`: how many of them this call wrote; the others were there already.
    """

    count: int
    written: int


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How vectors are taken back from a store.

    `model`: what made them, where the store does not say. `allow_changes`: also take a table whose
    rows were changed, added or deleted after they were handed over. `wait`: for another writer; a
    number: so many seconds at most.
    """

    model: ModelChoice = EXTERNAL
    allow_changes: bool = False
    wait: bool | float = False


Progress = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None: ...


# -- out -----------------------------------------------------------------------------------------


def export_to(
    path: Path, place: Place, *, overwrite: bool = False, progress: Progress = _no_progress
) -> Handover:
    """Hand all images of the index at `path` over to `place`, and read them back.

    After an interruption, the same call continues; to a database, it adds what is new in the index.
    `overwrite`: replace what is there, also data of other programs. `progress` is called with the
    rows done and in all.
    Raises `StorageError`, also if what was read back differs; `UsageError`, `MissingExtraError`.
    """
    with Snapshot(path) as snapshot, open_store(place) as store:
        plan = Manifest(
            snapshot.fingerprint, stored_threshold(snapshot), tuple(snapshot.field_names)
        )
        if not overwrite:
            _check_target(store, place, plan)
        held = store.begin(plan, anew=overwrite)
        if not _are_first(store, snapshot, held):
            if store.is_database:
                raise _differs(place)
            held = store.begin(plan, anew=True)
        for start, batch in _batches(snapshot, held):
            store.write(batch)
            progress(start + len(batch), snapshot.count)
        total = total_of(_checksums(snapshot))
        whole = replace(plan, count=snapshot.count, checksum=total, complete=True)
        _check_written(store, place, whole)
        store.finish(whole)
        return Handover(snapshot.count, snapshot.count - held)


def _check_target(store: Store, place: Place, plan: Manifest) -> None:
    """Raise `StorageError` if `place` holds what this index cannot be added to."""
    found = store.manifest()
    if found is None and store.occupied():
        raise StorageError(
            f"{place}: holds something that vecsim did not write.", hint=_overwrite(place)
        )
    if found is not None and found.fingerprint != plan.fingerprint:
        raise StorageError(
            f"{place}: holds vectors of {found.fingerprint}, the index those of "
            f"{plan.fingerprint}.",
            hint=_overwrite(place),
        )


def _are_first(store: Store, snapshot: Snapshot, held: int) -> bool:
    """Return whether the `held` rows of a store are the first ones of the index, by their keys."""
    return not held or (held <= snapshot.count and store.holds(int(snapshot.keys()[held - 1])))


def _check_written(store: Store, place: Place, whole: Manifest) -> None:
    """Read back what was written and raise `StorageError` unless all of it is right."""
    found, found_sum = 0, 0
    try:
        for batch in store.written():
            check_read(batch, str(place))
            found += len(batch)
            found_sum += sum(value or 0 for value in batch.checksums)
    except InputError as error:
        raise StorageError(error.message, hint=_overwrite(place)) from error
    if (found, total_of([found_sum])) != (whole.count, whole.checksum):
        raise _differs(place)


def _differs(place: Place) -> StorageError:
    return StorageError(
        f"{place}: holds other rows than the index has: images were changed or removed since they "
        f"were handed over, or the rows were changed there.",
        hint=_overwrite(place),
    )


def _overwrite(place: Place) -> Hint:
    return Hint(Action.OVERWRITE_STORE, place=place, table=place.table)


def _checksums(snapshot: Snapshot) -> Iterator[int]:
    """Yield the checksum of each image."""
    for _, batch in _batches(snapshot, 0):
        yield from (value or 0 for value in batch.checksums)


def _batches(snapshot: Snapshot, start: int) -> Iterator[tuple[int, Batch]]:
    """Yield the images from position `start` on, in batches, each with its own first position."""
    size = rows_at_once(snapshot.fingerprint.dim)
    while start < snapshot.count:
        keys, vectors = snapshot.slice(start, start + size)
        rows = snapshot.rows(keys.tolist())
        found = [rows[key] for key in keys.tolist()]
        refs, facts = [row.ref for row in found], [row.facts for row in found]
        yield start, Batch.of_index(keys, refs, facts, vectors)
        start += len(keys)


# -- back ----------------------------------------------------------------------------------------


def import_from(
    path: Path,
    place: Place,
    options: ImportOptions | None = None,
    progress: Progress = _no_progress,
) -> Handover:
    """Add the images of `place` to the index at `path`, which is made if there is none.

    Images that the index holds already, with the same vector, are left as they are: after an
    interruption, the same call continues. `progress` is called with the rows done and in all.
    Raises `InputError` (also for rows that are not as they were handed over, unless the options
    allow it), `DuplicateIdError`, `FingerprintError`, `VectorError`, `IndexLockedError`.
    """
    options = options or ImportOptions()
    with open_store(place) as store:
        manifest = store.manifest()
        _check_source(store, place, manifest, options)
        batches = store.read(rows_at_once(manifest.fingerprint.dim if manifest else 1))
        return _import(path, place, _Source(batches, manifest, store.count()), options, progress)


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows to import, what is said about them, and how many there are."""

    batches: Iterator[Batch]
    manifest: Manifest | None
    count: int


def _check_source(
    store: Store, place: Place, manifest: Manifest | None, options: ImportOptions
) -> None:
    """Raise `InputError` if what was handed over is not there as a whole."""
    if manifest is None or options.allow_changes:
        return
    if not manifest.complete:
        raise InputError(
            f"{place}: the handover to it was interrupted.", hint=Hint(Action.FINISH_HANDOVER)
        )
    found = store.count()
    if found != manifest.count:
        raise InputError(
            f"{place}: holds {found:,} rows, but {manifest.count:,} were handed over.",
            hint=Hint(Action.ALLOW_CHANGES),
        )


def _import(
    path: Path, place: Place, source: _Source, options: ImportOptions, progress: Progress
) -> Handover:
    done = written = 0
    for batch in source.batches:
        if not options.allow_changes:
            _check_rows(batch, place)
        if not done:
            _prepare(path, source.manifest, batch.vectors.shape[1], options.model)
        done += len(batch)
        with Writer(path, wait=options.wait) as writer:
            images = _new_images(writer, batch, place)
            for start in range(0, len(images), _CHUNK):
                writer.commit(images[start : start + _CHUNK])
        written += len(images)
        progress(done, source.count)
    if not done:
        if source.manifest is None:
            raise InputError(f"{place}: holds no vectors.")
        _prepare(path, source.manifest, source.manifest.fingerprint.dim, options.model)
    with Snapshot(path) as snapshot:
        return Handover(snapshot.count, written)


def _check_rows(batch: Batch, place: Place) -> None:
    try:
        check_read(batch, str(place))
    except InputError as error:
        raise InputError(error.message, hint=Hint(Action.ALLOW_CHANGES)) from error


def _prepare(path: Path, manifest: Manifest | None, dim: int, model: ModelChoice) -> None:
    """Create the index, or check that the one there is of the same model."""
    made_by = manifest.fingerprint if manifest is not None else fingerprint_of(model, dim)
    if not IndexFolder(path).exists():
        threshold = manifest.threshold if manifest is not None else None
        settings = {THRESHOLD: repr(threshold)} if threshold is not None else {}
        create_index(path, made_by, settings)
        return
    with Snapshot(path) as snapshot:
        _check_fingerprint(path, snapshot.fingerprint, made_by)


def _check_fingerprint(path: Path, stored: Fingerprint, made_by: Fingerprint) -> None:
    if stored != made_by:
        raise FingerprintError(
            f"{path}: made with {stored}, but the vectors are of {made_by}. Vectors of two models "
            f"cannot be compared.",
            hint=Hint(Action.INDEX_VECTORS_SEPARATELY),
        )


def _new_images(writer: Writer, batch: Batch, place: Place) -> list[Embedded]:
    """Return the rows that the index does not hold. Raises `DuplicateIdError`, `InputError`."""
    vectors = _unit(batch.vectors)
    known = writer.catalog.images.by_id([ref.id for ref in batch.refs])
    stored = _stored_vectors(writer, [row.key for row in known.values()])
    images: dict[str, Embedded] = {}
    for ref, facts, vector in zip(batch.refs, batch.facts, vectors, strict=True):
        if "\0" in ref.id:
            raise InputError(f"{place}: the id {ref.id!r} holds a NUL character.")
        row = known.get(ref.id)
        if row is None and ref.id not in images:
            images[ref.id] = Embedded(ref, facts, vector)
        elif row is None or row.ref.url != ref.url or stored[row.key] != vector.tobytes():
            raise DuplicateIdError(
                f"{place}: the id {ref.id!r} comes twice, or is in the index with another URL or "
                f"vector. Ids must be unique."
            )
    return list(images.values())


def _stored_vectors(writer: Writer, keys: list[int]) -> dict[int, bytes]:
    """Return the bytes of the stored vectors of `keys`, by key."""
    wanted = np.array(sorted(keys), np.int64)
    found: dict[int, bytes] = {}
    for segment in writer.segments if len(wanted) else ():
        positions, rows = segment.rows_of(wanted)
        for key, row in zip(wanted[positions].tolist(), rows.tolist(), strict=True):
            found[key] = segment.vectors[row].tobytes()
    return found


def _unit(vectors: Float32) -> Float32:
    """Return unit vectors, float32 (n, dim): those that are unit vectors already bit by bit."""
    unit = normalise(vectors)
    same = (np.abs(unit - vectors) <= _UNIT_TOLERANCE).all(axis=1)
    return np.where(same[:, None], vectors, unit).astype(np.float32)
