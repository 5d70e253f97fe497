"""Indexes of vectors that were made elsewhere, as arrays or files; exports vectors to files.

The files are the predecessor's `.h5` with a list of fields, and `.npy`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.errors import (
    DuplicateIdError,
    FailureKind,
    FingerprintError,
    InputError,
    ModelError,
    VectorError,
)
from vecsim.files import new_output, storage_errors
from vecsim.hints import Action, Hint
from vecsim.index import IndexFolder, Snapshot
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.models import load_embedder
from vecsim.models.registry import is_reserved
from vecsim.operations.requests import ModelChoice, as_fields, check_id
from vecsim.operations.vector_files import open_vectors, read_vectors, writable_rows
from vecsim.records import Embedded, Fingerprint, ImageFacts, ImageRef, UnusableRef
from vecsim.search.score import normalise
from vecsim.sources import Reading, SourceOptions, read_source
from vecsim.urls import without_credentials

# Vectors per commit: few durable writes, at most a hundred MB of memory, and eight chunks make one
# of the largest segments.
_CHUNK = 32_768

EXTERNAL = ModelChoice("external")
"""The model of vectors whose model is not named."""

_ROWS = 4_096  # exported at once


@dataclass(frozen=True, slots=True)
class VectorTable:
    """Vectors made elsewhere, one row an image. Raises `VectorError`, `InputError`.

    `vectors`: float (n, dim), of any norm but 0. `ids`: n ids, converted to str. `urls`, `fields`:
    n URLs and mappings of carried fields, or None.
    """

    vectors: npt.NDArray[Any]
    ids: Sequence[object]
    urls: Sequence[str] | None = None
    fields: Sequence[Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", np.asarray(self.vectors))
        object.__setattr__(self, "ids", list(map(str, self.ids)))
        for position, id_ in enumerate(self.ids):
            check_id(id_, f"ids[{position}]")
        shape = self.vectors.shape
        if len(shape) != 2 or shape[1] == 0:
            raise VectorError(f"vectors must have the shape (count, dimensions), not {shape}.")
        for name, given in (("ids", self.ids), ("urls", self.urls), ("fields", self.fields)):
            if given is not None and len(given) != len(self):
                raise InputError(f"{len(self)} vectors were given, but {len(given)} {name}.")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """How many dimensions the vectors have."""
        return int(self.vectors.shape[1])

    def images(self, start: int, stop: int) -> list[Embedded]:
        """Return the rows from `start` up to `stop`, their vectors normalised."""
        unit = normalise(self.vectors[start:stop])
        return [
            Embedded(
                ImageRef(
                    without_credentials(str(self.ids[row])),
                    self.urls[row] if self.urls is not None else "",
                    as_fields(self.fields[row], f"fields[{row}]") if self.fields else {},
                ),
                ImageFacts(),
                unit[row - start],
            )
            for row in range(start, start + len(unit))
        ]


def create_from_vectors(
    path: Path, table: VectorTable, model: str | Fingerprint = "external"
) -> None:
    """Make an index of the vectors of `table`, whose ids must be unique.

    `model`: a name, or the fingerprint of one of vecsim's own models if that made them.
    Raises `IndexExistsError`, `VectorError`, `DuplicateIdError`; where the vectors or ids are at
    fault, nothing is made.
    """
    _check_new(table, set())
    for start in range(0, len(table), _CHUNK):
        normalise(table.vectors[start : start + _CHUNK])
    if isinstance(model, str):
        model = Fingerprint(model, "", "", table.dim)
    create_index(path, model)
    add_vectors(path, table, made_by=model)


def add_vectors(
    path: Path,
    table: VectorTable,
    *,
    made_by: Fingerprint | None = None,
    wait: bool | float = False,
) -> int:
    """Add vectors to an index of vectors of the same model; returns how many.

    An index of one of vecsim's own models takes only vectors that were `made_by` that model.
    Raises `FingerprintError`, `VectorError`, `DuplicateIdError`, `IndexLockedError`.
    """
    with Writer(path, wait=wait) as writer:
        if writer.fingerprint.preprocessing and writer.fingerprint != made_by:
            raise FingerprintError(
                f"{path}: made with {writer.fingerprint}, so it takes images, not vectors of "
                f"another model.",
                hint=Hint(Action.INDEX_VECTORS_SEPARATELY),
            )
        if table.dim != writer.fingerprint.dim:
            raise FingerprintError(
                f"{path}: holds vectors of {writer.fingerprint.dim} dimensions, these have "
                f"{table.dim}."
            )
        _check_new(table, set(writer.catalog.images.by_id(list(map(str, table.ids)))))
        for start in range(0, len(table), _CHUNK):
            writer.commit(table.images(start, start + _CHUNK))
    return len(table)


def _check_new(table: VectorTable, known: set[str]) -> None:
    """Raise `DuplicateIdError` if an id is in `known` or comes twice."""
    seen = set(known)
    for position, id_ in enumerate(map(str, table.ids)):
        if id_ in seen:
            raise DuplicateIdError(
                f"ids[{position}]: {id_!r} comes twice or is in the index already. Ids must be "
                f"unique."
            )
        seen.add(id_)


# -- files of vectors ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """A file of vectors and a list with one row for each of them, in the same order.

    `features`: a `.npy` file, or a `.h5` file with the dataset "data". `fields`: the list.
    `options`: how the list is read; None: for `.h5` files as the predecessor wrote it (separated by
    tabs, no header, the id first and the URL last), for `.npy` files as any other source.
    """

    features: Path
    fields: Path
    options: SourceOptions | None = None


def import_vectors(
    path: Path,
    files: VectorFiles,
    model: ModelChoice = EXTERNAL,
    *,
    wait: bool | float = False,
) -> int:
    """Add the vectors of `files` to the index at `path`, which is made if there is none.

    `model`: what made the vectors: one of vecsim's models, so that images can be added later, or
    any other name. Returns how many were added.
    Raises `InputError`, `VectorError`, `DuplicateIdError`, `FingerprintError`, `IndexLockedError`.
    """
    options = files.options
    if options is None:
        npy = files.features.suffix.lower() == ".npy"
        options = SourceOptions() if npy else SourceOptions(delimiter="\t", header=False)
    with open_vectors(files.features) as opened:
        refs = list(read_source(files.fields, options, Reading(fetched=False)))
        for ref in refs:
            if isinstance(ref, UnusableRef) and ref.kind == FailureKind.BAD_ROW:
                raise InputError(f"{ref.location}: {ref.message}.")
        if len(refs) != len(opened):
            raise InputError(
                f"{files.features} holds {len(opened)} vectors, but {files.fields} lists "
                f"{len(refs)} images. There must be one row for each vector, in the same order."
            )
        fingerprint = fingerprint_of(model, opened.shape[1])
        vectors = read_vectors(files.features, opened)
    table = VectorTable(
        vectors,
        [ref.id for ref in refs],
        [ref.url for ref in refs],
        [ref.fields for ref in refs],
    )
    if IndexFolder(path).exists():
        return add_vectors(path, table, made_by=fingerprint, wait=wait)
    create_from_vectors(path, table, fingerprint)
    return len(table)


def export_vectors(path: Path, features: Path, fields: Path) -> int:
    """Write all unit vectors, float32 (n, dim), to a `.h5` or `.npy` file, and their fields.

    `fields` is written as the predecessor reads it: tabs, no header; id, carried fields, URL.
    Returns how many vectors were written. Raises `StorageError`, `UsageError`.
    """
    with (
        Snapshot(path) as snapshot,
        storage_errors(features),
        new_output(features) as features_part,
        storage_errors(fields),
        new_output(fields) as fields_part,
    ):
        shape = (snapshot.count, snapshot.fingerprint.dim)
        with writable_rows(features, features_part, shape) as rows:
            for start in range(0, snapshot.count, _ROWS):
                _, vectors = snapshot.slice(start, start + _ROWS)
                rows[start : start + len(vectors)] = vectors
            del rows  # Windows renames no file that is mapped
        names = snapshot.field_names
        with fields_part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            for row in snapshot.all_rows():
                carried = [row.ref.fields.get(name, "") for name in names]
                writer.writerow([row.ref.id, *carried, row.ref.url])
        return snapshot.count


def fingerprint_of(choice: ModelChoice, dim: int) -> Fingerprint:
    """Return the fingerprint of one of vecsim's models, else one of the name alone."""
    model = choice.name
    try:
        fingerprint = load_embedder(model, weights=choice.weights).fingerprint
    except ModelError:
        if is_reserved(model):
            raise
        return Fingerprint(model, "", "", dim)
    if fingerprint.dim != dim:
        raise InputError(f"the vectors have {dim} dimensions, those of {model} {fingerprint.dim}.")
    return fingerprint
