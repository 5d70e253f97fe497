"""Indexes of sources: `match` takes a source on either side and indexes it first."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from vecsim.errors import StorageError, UsageError
from vecsim.index import IndexFolder, Snapshot
from vecsim.models import resolve_model
from vecsim.models.keras_weights import file_sha256
from vecsim.operations.building import build_index
from vecsim.operations.index_settings import check_model, stored_weights
from vecsim.operations.requests import RunOptions
from vecsim.records import AddReport, ImageRef
from vecsim.sources import SourceOptions, list_images, read_source, source_name

log = logging.getLogger(__name__)


def indexes_folder() -> Path:
    """Where indexes of sources are kept: `$VECSIM_INDEXES`, else `indexes`."""
    return Path(os.environ.get("VECSIM_INDEXES", "indexes"))


def index_paths(
    places: list[str], source_options: SourceOptions, options: RunOptions
) -> list[tuple[Path, AddReport | None]]:
    """The index of each place, which is an index or a source; a source is indexed first.

    A source beside an index is indexed with that index's model. Returns the paths and, for
    sources, what was added. Raises all that `build_index` does.
    """
    if places.count("-") > 1:
        raise UsageError("Standard input can be read only once: give one of the two by its name.")
    existing = [Path(place) for place in places if is_index(place)]
    for path in existing:
        check_model(path, options.model)
    model = options.model
    if existing:
        with Snapshot(existing[0]) as snapshot:
            weights = model.weights or stored_weights(snapshot)
            model = replace(model, name=snapshot.fingerprint.model, weights=weights)
    elif model.name == "auto":
        # Decided once, so that both sides get the same model.
        name, why = resolve_model("auto", weights=model.weights)
        if why:
            log.warning("%s", why)
        model = replace(model, name=name)
    options = replace(options, model=model, wait=True)
    return [
        (Path(place), None) if is_index(place) else _index_source(place, source_options, options)
        for place in places
    ]


def is_index(place: str) -> bool:
    """Whether there is an index at that path."""
    return place != "-" and IndexFolder(Path(place)).exists()


def _index_source(
    place: str, source_options: SourceOptions, options: RunOptions
) -> tuple[Path, AddReport]:
    """Index a source under a name made of its own name, the model, and all that it depends on."""
    with _spooled(place) as stdin:
        if stdin is not None:
            place = "-"
        refs = read_source(place, source_options, stdin=stdin)
        digest = hashlib.sha256(repr(source_options).encode())
        if options.model.weights is not None:
            digest.update(file_sha256(options.model.weights).encode())
        for part in _content(place, stdin):
            digest.update(part)
        name = f"{source_name(place)}-{options.model.name}-{digest.hexdigest()[:12]}"
        folder = indexes_folder()
        path = folder / ".sources" / re.sub(r"[^\w.-]", "_", name)
        try:
            report = build_index(path, refs, options)
        except StorageError as error:
            raise StorageError(
                f"{error.message} Indexes of sources are kept in {folder}; VECSIM_INDEXES names "
                f"another folder.",
                hint=error.hint,
            ) from error
    return path, report


@contextmanager
def _spooled(place: str) -> Iterator[BinaryIO | None]:
    """Copy standard input or a pipe to a file, to be read twice; None for other places."""
    path = Path(place)
    if place != "-" and not path.is_fifo():
        yield None
        return
    with ExitStack() as opened:
        pipe = sys.stdin.buffer if place == "-" else opened.enter_context(path.open("rb"))
        file = opened.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(pipe, file)
        file.seek(0)
        yield file


def _content(place: str, stdin: BinaryIO | None) -> Iterator[bytes]:
    """What identifies a source's content: a file's bytes, or a folder's names, sizes and times."""
    if stdin is not None:
        while part := stdin.read(1 << 20):
            yield part
        stdin.seek(0)
        return
    path = Path(place)
    # Relative paths in a list mean other files in another folder.
    yield os.fsencode(path.resolve())
    if path.is_dir():
        for file in list_images(path):
            state = file.stat()
            yield os.fsencode(file) + f"{state.st_size} {state.st_mtime_ns}".encode()
        return
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            yield part


def count_refs(places: list[str], options: SourceOptions) -> int | None:
    """How many images the sources list; None if one of them can be read only once."""
    if any(place == "-" or Path(place).is_fifo() for place in places):
        return None
    return sum(1 for _ in refs_of(places, options))


def refs_of(
    places: list[str], options: SourceOptions, stdin: BinaryIO | None = None
) -> Iterator[ImageRef]:
    """The references of several sources, one after the other; all must exist from the start."""
    streams = [read_source(place, options, stdin=stdin) for place in places]
    return chain.from_iterable(streams)


def peek_fields(refs: Iterable[ImageRef]) -> tuple[list[str], Iterator[ImageRef]]:
    """The names of the first reference's fields, and all references, the first included."""
    stream = iter(refs)
    first = next(stream, None)
    if first is None:
        return [], iter(())
    return list(first.fields), chain([first], stream)
