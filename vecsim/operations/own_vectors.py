"""Indexes of vectors that somebody else's model made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vecsim.errors import DuplicateIdError, FingerprintError, InputError, VectorError
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.records import Embedded, Fingerprint, ImageFacts, ImageRef
from vecsim.search.score import normalise

# Vectors per commit: one durable write for many rows, a chunk's memory at most a hundred MB, and
# eight of them merge into one of the largest segments.
_CHUNK = 32_768


def create_from_vectors(
    path: Path,
    vectors: npt.ArrayLike,
    ids: Sequence[object],
    *,
    model: str | Fingerprint = "external",
    urls: Sequence[str] | None = None,
    fields: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Make an index of `vectors`, float (n, dim) of any norm but 0, called `ids` (unique).

    `model`: a name, or the fingerprint of one of vecsim's own models if that made them.
    Raises `IndexExistsError`, `VectorError`, `DuplicateIdError`, `InputError`; where the vectors
    or ids are at fault, nothing is made.
    """
    array = np.asarray(vectors)
    _check_new(array, ids, set())
    _check_lengths(array, urls, fields)
    for start in range(0, len(array), _CHUNK):
        normalise(array[start : start + _CHUNK])
    if isinstance(model, str):
        model = Fingerprint(model, "", "", array.shape[1])
    create_index(path, model)
    add_vectors(path, array, ids, urls=urls, fields=fields, made_by=model)


def add_vectors(
    path: Path,
    vectors: npt.ArrayLike,
    ids: Sequence[object],
    *,
    urls: Sequence[str] | None = None,
    fields: Sequence[Mapping[str, str]] | None = None,
    wait: bool = False,
    made_by: Fingerprint | None = None,
) -> int:
    """Add vectors to an index of the same kind; returns how many. Raises as the above.

    An index of one of vecsim's own models takes only vectors that were `made_by` that model.
    """
    array = np.asarray(vectors)
    _check_lengths(array, urls, fields)
    with Writer(path, wait=wait) as writer:
        if writer.fingerprint.preprocessing and writer.fingerprint != made_by:
            raise FingerprintError(
                f"{path}: made with {writer.fingerprint}, so it takes images, not vectors of "
                f"another model. Make an index of your own with Index.from_vectors."
            )
        if array.ndim == 2 and array.shape[1] != writer.fingerprint.dim:
            raise FingerprintError(
                f"{path}: holds vectors of {writer.fingerprint.dim} dimensions, these have "
                f"{array.shape[1]}."
            )
        names = [str(id_) for id_ in ids]
        _check_new(array, names, set(writer.catalog.images.by_id(names)))
        for start in range(0, len(array), _CHUNK):
            unit = normalise(array[start : start + _CHUNK])
            rows = range(start, start + len(unit))
            writer.commit(
                [
                    Embedded(
                        ImageRef(
                            names[row],
                            urls[row] if urls is not None else "",
                            fields[row] if fields is not None else {},
                        ),
                        ImageFacts(),
                        unit[row - start],
                    )
                    for row in rows
                ]
            )
    return len(array)


def _check_lengths(
    array: npt.NDArray[np.generic],
    urls: Sequence[str] | None,
    fields: Sequence[Mapping[str, str]] | None,
) -> None:
    for name, given in (("urls", urls), ("fields", fields)):
        if given is not None and len(given) != len(array):
            raise InputError(f"{len(array)} vectors were given, but {len(given)} {name}.")


def _check_new(array: npt.NDArray[np.generic], ids: Sequence[object], known: set[str]) -> None:
    if array.ndim != 2 or array.shape[1] == 0:
        raise VectorError(f"vectors must have the shape (count, dimensions), not {array.shape}.")
    if len(ids) != len(array):
        raise InputError(f"{len(array)} vectors were given, but {len(ids)} ids.")
    seen = set(known)
    for position, id_ in enumerate(map(str, ids)):
        if id_ in seen:
            raise DuplicateIdError(
                f"ids[{position}]: {id_!r} comes twice or is in the index already. Ids must be "
                f"unique."
            )
        seen.add(id_)
