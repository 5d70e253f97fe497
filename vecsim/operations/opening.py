"""An index, or a source that becomes one: what `match` takes on either side."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from threading import Event
from typing import BinaryIO

from vecsim.engines.options import WorkOptions
from vecsim.errors import StorageError, UsageError
from vecsim.index import IndexFolder, Snapshot
from vecsim.models import resolve_model
from vecsim.models.weights import file_sha256
from vecsim.operations.building import Watch, build_index
from vecsim.operations.own_model import check_model, own_weights
from vecsim.records import AddReport, ImageRef
from vecsim.sources import SourceOptions, list_images, read_source, source_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """How sources are turned into indexes: the options of reading, of the model, of the work.

    `home`: where their indexes are kept, by default `$VECSIM_INDEXES`, else `indexes`.
    """

    options: SourceOptions = field(default_factory=SourceOptions)
    model: str = "auto"
    weights: Path | None = None
    work: WorkOptions = field(default_factory=WorkOptions)
    home: Path = field(default_factory=lambda: Path(os.environ.get("VECSIM_INDEXES", "indexes")))
    watch: Watch = lambda report: None
    stop: Event | None = None


def index_paths(places: list[str], sources: Sources) -> list[tuple[Path, AddReport | None]]:
    """The index of each place, which is an index or a source; a source is indexed first.

    A source beside an index is indexed with that index's model. Returns the paths and, for
    sources, what was done. Raises all that `build_index` does.
    """
    if places.count("-") > 1:
        raise UsageError("standard input can be read only once: give one of the two by its name.")
    existing = [Path(place) for place in places if is_index(place)]
    for path in existing:
        check_model(path, sources.model, sources.weights)
    if existing:
        with Snapshot(existing[0]) as snapshot:
            sources = replace(sources, model=snapshot.fingerprint.model)
            sources = replace(sources, weights=sources.weights or own_weights(snapshot))
    elif sources.model == "auto":
        # Decided once, so that both sides get the same model.
        name, why = resolve_model("auto", weights=sources.weights)
        if why:
            log.warning("%s", why)
        sources = replace(sources, model=name)
    return [
        (Path(place), None) if is_index(place) else _index_source(place, sources)
        for place in places
    ]


def is_index(place: str) -> bool:
    """Whether there is an index at that path."""
    return place != "-" and IndexFolder(Path(place)).exists()


def _index_source(place: str, sources: Sources) -> tuple[Path, AddReport]:
    """Index a source under a name made of its own name, the model, and all that it depends on."""
    with _spooled(place) as stdin:
        if stdin is not None:
            place = "-"
        refs = read_source(place, sources.options, stdin=stdin)
        digest = hashlib.sha256(repr(sources.options).encode())
        if sources.weights is not None:
            digest.update(file_sha256(sources.weights).encode())
        for part in _content(place, stdin):
            digest.update(part)
        name = f"{source_name(place)}-{sources.model}-{digest.hexdigest()[:12]}"
        path = sources.home / ".sources" / re.sub(r"[^\w.-]", "_", name)
        try:
            report = build_index(
                path,
                refs,
                model=sources.model,
                weights=sources.weights,
                work=sources.work,
                wait=True,
                watch=sources.watch,
                stop=sources.stop,
            )
        except StorageError as error:
            raise StorageError(
                f"{error} Indexes of sources are kept in {sources.home}; VECSIM_INDEXES names "
                f"another folder."
            ) from error
    return path, report


@contextmanager
def _spooled(place: str) -> Iterator[BinaryIO | None]:
    """Standard input or a pipe kept in a file, to be read twice; None for other places."""
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
    """What the source says now: a file's bytes, or a folder's names, sizes and times."""
    if stdin is not None:
        while part := stdin.read(1 << 20):
            yield part
        stdin.seek(0)
        return
    path = Path(place)
    # Relative paths in a list mean something else in another folder.
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
