"""Indexes of sources: `match` takes a source on either side and indexes it first."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO

from vecsim.engines.engine import start_early
from vecsim.errors import ModelError, StorageError, UsageError
from vecsim.files import temporary_errors
from vecsim.index import IndexFolder, Snapshot, is_index
from vecsim.models import resolve_model
from vecsim.models.file_settings import settings_of_fingerprint
from vecsim.models.keras_weights import file_sha256
from vecsim.models.registry import find_spec
from vecsim.operations.building import build_index, create
from vecsim.operations.index_settings import (
    check_model,
    check_not_retired,
    stored_threshold,
    stored_weights,
)
from vecsim.operations.kept_folder import cache_folder, indexes_folder
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.operations.syncing import SyncOptions, name_sources, sync
from vecsim.records import AddReport
from vecsim.sources import Reading, SourceOptions, copy_source, read_source, source_name

log = logging.getLogger(__name__)


def index_paths(
    places: list[str], source_options: SourceOptions, options: RunOptions
) -> list[tuple[Path, AddReport | None]]:
    """Return the index of each place, which is an index or a source; a source is indexed first.

    A source beside an index is indexed with that index's model. Returns the paths and, for
    sources, what was added. Raises all that `build_index` does.
    """
    if places.count("-") > 1:
        raise UsageError("Standard input can be read only once: give one of the two by its name.")
    existing = [Path(place) for place in places if is_index(place)]
    for path in existing:
        check_model(path, options.model)
        with Snapshot(path):  # raises for a damaged one
            pass
    for place in places:
        if not is_index(place):
            _check_readable(place, source_options, options)
    model = options.model
    if existing:
        model = model_of_index(existing[0], model, embeds=len(existing) < len(places))
    else:
        # Decided once, so that both sides get the same model.
        name, why = resolve_model(model.name, weights=model.weights)
        if why:
            log.warning("%s", why)
        model = replace(model, name=name)
    options = replace(options, model=model)
    # The orientations are those of the queries.
    others = replace(options, orientations=None)
    return [
        (Path(place), None)
        if is_index(place)
        else _index_source(place, source_options, others if position else options)
        for position, place in enumerate(places)
    ]


def model_of_index(path: Path, model: ModelChoice, *, embeds: bool = True) -> ModelChoice:
    """Return `model` as that of the index at `path`, for further images to compare with it.

    `embeds`: whether there are any. Raises `ModelError` if vecsim no longer has the model.
    """
    with Snapshot(path) as snapshot:
        if embeds:
            check_not_retired(path, snapshot.fingerprint)
        weights = model.weights or stored_weights(snapshot)
        settings = settings_of_fingerprint(snapshot.fingerprint)
        if settings is not None:
            settings = replace(settings, threshold=stored_threshold(snapshot))
        name = snapshot.fingerprint.model
        return replace(model, name=name, weights=weights, settings=settings)


def _index_source(
    place: str, source_options: SourceOptions, options: RunOptions
) -> tuple[Path, AddReport]:
    """Bring the index of a source up to date, which is made where there is none."""
    folder = indexes_folder()
    try:
        with _spooled(place, options) as stdin:
            if stdin is not None:
                return _index_stream(stdin, source_options, options)
            path = path_of_source_index(place, source_options, options.model)
            report = _follow(path, place, source_options, options)
    except StorageError as error:
        raise StorageError(
            f"{error.message} Indexes of sources are kept in {folder}; VECSIM_INDEXES names "
            f"another folder.",
            hint=error.hint,
        ) from error
    return path, report


def path_of_source_index(place: str, options: SourceOptions, model: ModelChoice) -> Path:
    """Return where the index of a list or folder is kept, whatever it lists at present."""
    return _hidden_path(place, options, model, os.fsencode(os.path.realpath(place)))


def _hidden_path(place: str, options: SourceOptions, model: ModelChoice, *parts: bytes) -> Path:
    digest = hashlib.sha256(options.identity.encode())
    digest.update(_model_identity(model).encode())
    for part in parts:
        digest.update(part)
    name = f"{source_name(place)}-{model.name}-{digest.hexdigest()[:12]}"
    return cache_folder() / re.sub(r"[^\w.-]", "_", name)


def _model_identity(model: ModelChoice) -> str:
    """Return what is known of the model's fingerprint without loading it."""
    weights = "" if model.weights is None else file_sha256(model.weights)
    try:
        return str(find_spec(model.name).fingerprint(weights))
    except ModelError:  # reported when the index is made
        return f"{model.name} {weights}" + (f" {model.settings}" if model.settings else "")


def _index_stream(
    stream: IO[bytes], source_options: SourceOptions, options: RunOptions
) -> tuple[Path, AddReport]:
    """Index a list that has no place, under a name made of its content."""
    parts = iter(lambda: stream.read(1 << 20), b"")
    path = _hidden_path("-", source_options, options.model, *parts)
    stream.seek(0)
    reading = Reading(stdin=stream, stopped=lambda: options.stopped)
    report = build_index(path, read_source("-", source_options, reading), options)
    report.notes = reading.notes
    return path, report


def _follow(
    path: Path, place: str, source_options: SourceOptions, options: RunOptions
) -> AddReport:
    """Make the index at `path` follow the source at `place`, without any limit on what leaves."""
    if IndexFolder(path).exists():
        check_model(path, options.model)
    else:
        start_early(options.work.engine)
        embedder = create(path, options, from_files=Path(place).is_dir())
        options = replace(options, model=replace(options.model, embedder=embedder))
    sources = name_sources([place], source_options)
    report = sync(path, sources, SyncOptions(keep_unlisted=True), options)
    # For a match, an image whose file was read again is as well known as the others.
    report.skipped += report.unchanged
    report.unchanged = 0
    return report


@contextmanager
def _spooled(place: str, options: RunOptions) -> Iterator[IO[bytes] | None]:
    """Copy standard input or a pipe to a file, to be read twice; None for other places."""
    if place != "-" and not Path(place).is_fifo():
        yield None
        return
    with temporary_errors():
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    with file:
        copy_source(place, file, Reading(stopped=lambda: options.stopped))
        file.seek(0)
        yield file


def _check_readable(place: str, source_options: SourceOptions, options: RunOptions) -> None:
    """Read a list to its end, so that an error in it is found before anything is downloaded.

    Of a folder, its first picture is enough.
    """
    if place != "-" and not Path(place).is_fifo():
        reading = Reading(stopped=lambda: options.stopped)
        # What else cannot be read of a folder is noted, and no error.
        enough = 1 if Path(place).is_dir() else None
        for _ in islice(read_source(place, source_options, reading), enough):
            pass
