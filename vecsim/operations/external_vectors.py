"""Indexes of vectors that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.errors import DuplicateIdError, FingerprintError, InputError, VectorError
from vecsim.hints import Action, Hint
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.records import Embedded, Fingerprint, ImageFacts, ImageRef
from vecsim.search.score import normalise

# Vectors per commit: few durable writes, at most a hundred MB of memory, and eight chunks make one
# of the largest segments.
_CHUNK = 32_768


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
        """The rows from `start` up to `stop`, their vectors normalised."""
        unit = normalise(self.vectors[start:stop])
        return [
            Embedded(
                ImageRef(
                    str(self.ids[row]),
                    self.urls[row] if self.urls is not None else "",
                    self.fields[row] if self.fields is not None else {},
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
    path: Path, table: VectorTable, *, made_by: Fingerprint | None = None, wait: bool = False
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
