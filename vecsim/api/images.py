"""Converts collections of images that callers hold, and tables, to references."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from vecsim.api.pictures import (
    KNOWN,
    TAKEN,
    Reference,
    array_of,
    as_pixels,
    as_ref,
    checked_image,
    described,
    read_now,
)
from vecsim.errors import FailureKind, InputError, UsageError
from vecsim.operations.syncing import SyncSource, name_sources
from vecsim.records import ImageRef, UnusableRef
from vecsim.sources import (
    PictureRow,
    Reading,
    SourceOptions,
    collected,
    count_refs,
    frame_refs,
    is_frame,
    open_frame,
    picture_rows,
)


class SupportsArrow(Protocol):
    """A table, of pandas, Polars, DuckDB, pyarrow and others."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Images: TypeAlias = Reference | Iterable[Reference] | Mapping[str, Reference] | SupportsArrow
"""One image, several, images by their ids, or a table with a column of URLs, paths or pictures."""


def open_images(
    images: object,
    options: SourceOptions,
    reading: Reading,
    *,
    image: str | None = None,
    ids: object = None,
    fields: Iterable[Mapping[str, str]] | None = None,
) -> tuple[Iterator[ImageRef], int | None]:
    """Return the references of `images`, and how many there are, None where that is not known.

    `options`: the columns of a table; `image`: its column of pictures. `ids`, `fields`: of images
    that are no table, in their order. Raises `UsageError` for what is no image: at once for what is
    given as a whole, else when it is reached.
    """
    if is_frame(images):
        if ids is not None or fields is not None:
            raise UsageError("A table has its ids and fields in columns: name the column of ids.")
        frame, column = open_frame(images), image
        if column is None and not options.url_columns:
            column = frame.picture_column()
        refs = (
            frame_refs(frame, options, reading)
            if column is None
            else _refs_of_rows(picture_rows(frame, column, options))
        )
        return refs, len(images) if hasattr(images, "__len__") else None
    if image is not None or options != SourceOptions():
        raise UsageError("Columns were named, but the images are no table.")
    if isinstance(images, Mapping):
        if ids is not None:
            raise UsageError("A mapping has the ids as its keys: give no others.")
        images, ids = list(images.values()), list(images)
    items = _items(images)
    count = len(items) if isinstance(items, Sequence) else None
    return _refs_of_items(items, several_ids(ids), fields), count


def sync_sources(
    sources: Sequence[object], options: SourceOptions, name: str | None
) -> tuple[list[SyncSource], Callable[[], int | None]]:
    """Return the lists, folders and tables of a sync, and a function that counts their rows.

    A table has columns of URLs or paths, and the `name` by which the index remembers it.
    Raises `UsageError`, `InputError`.
    """
    places = [os.fspath(each) for each in sources if isinstance(each, str | os.PathLike)]
    tables = [each for each in sources if not isinstance(each, str | os.PathLike)]
    for table in tables:
        if not is_frame(table):
            raise UsageError(
                f"{described(table)} is no source of a sync: give the path of a list or folder, or "
                f"a table."
            )
    if not tables:
        return name_sources(places, options, name), lambda: count_refs(places, options)
    if name is None or len(sources) > 1:
        raise UsageError(
            "A table is synced alone, and needs a name to be remembered by: pass name=."
        )
    table = collected(tables[0])

    def read(place: str, reading: Reading) -> Iterator[ImageRef]:
        return frame_refs(open_frame(table), options, reading)

    return [SyncSource(name, "-", read)], lambda: len(table) if hasattr(table, "__len__") else None


def held(images: object) -> object:
    """Return `images` so that they can be converted twice: streams as lists, files as bytes."""
    if isinstance(images, Mapping):
        return {
            key: read_now(checked_image(item, f"images[{key!r}]")) for key, item in images.items()
        }
    if is_frame(images):
        return collected(images)
    several = _items(images)
    return [read_now(checked_image(item, f"images[{n}]")) for n, item in enumerate(several)]


def _refs_of_rows(rows: Iterator[PictureRow]) -> Iterator[ImageRef]:
    """Convert the rows of a table with a column of pictures."""
    for number, row in enumerate(rows, 1):
        place, picture = f"row {number} of the table", row.picture
        if isinstance(picture, Mapping):  # as datasets of Hugging Face have it
            picture = picture.get("bytes") or picture.get("path")
        if picture is None:
            name, message = row.id or place, "the row has no picture"
            yield UnusableRef(
                name, "", row.fields, place, kind=FailureKind.BAD_URL, message=message
            )
            continue
        yield as_ref(picture, row.id or None, row.fields, place)


def _refs_of_items(
    items: Iterable[object], ids: Iterable[object] | None, fields: Iterable[Any] | None
) -> Iterator[ImageRef]:
    """Convert images with their ids and fields. Raises `InputError` where the numbers differ."""
    for name, given in (("ids", ids), ("fields", fields)):
        if isinstance(items, Sequence) and isinstance(given, Sequence) and len(given) != len(items):
            raise InputError(f"{len(items)} images were given, but {len(given)} {name}.")
    return _paired(items, ids, fields)


def _paired(
    items: Iterable[object], ids: Iterable[object] | None, fields: Iterable[Any] | None
) -> Iterator[ImageRef]:
    missing = object()
    names, texts = iter(ids or ()), iter(fields or ())
    number = -1
    for number, item in enumerate(items):
        name = next(names, missing) if ids is not None else None
        own = next(texts, missing) if fields is not None else None
        if name is missing or own is missing:
            raise InputError(
                f"there are fewer {'ids' if name is missing else 'fields'} than images."
            )
        yield as_ref(item, name, own, f"images[{number}]")  # type: ignore[arg-type]
    if next(names, missing) is not missing or next(texts, missing) is not missing:
        raise InputError(f"{number + 1} images were given, but more ids or fields.")


def several_ids(ids: object) -> Iterable[object] | None:
    """Return the ids of several images; one id by itself is a list of itself."""
    if ids is None or (isinstance(ids, Iterable) and not isinstance(ids, str | bytes)):
        return ids
    return [ids]


def _items(images: object) -> Iterable[object]:
    """Return the images of a collection; one image is a list of itself. Raises `UsageError`."""
    if isinstance(images, KNOWN) or callable(getattr(images, "read", None)):
        return [images]
    if hasattr(images, "to_pylist"):  # a column of pyarrow
        column: list[object] = images.to_pylist()
        return column
    if hasattr(images, "__array__"):
        array = array_of(images, "the image")
        if array.ndim == 1 and array.dtype.kind in "OUT":
            return list(array.tolist())
        if array.ndim == 4:
            return [as_pixels(each, f"images[{n}]") for n, each in enumerate(array)]
        return [as_pixels(array, "the image")]
    if isinstance(images, Iterable) and not isinstance(images, Mapping):
        return images if isinstance(images, Sequence) else iter(images)
    raise UsageError(f"{described(images)} is no image: {TAKEN}, several of these, or a table.")
