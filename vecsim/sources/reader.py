"""Reads a source of any kind, a list or a folder, as a stream of image references."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.records import ImageRef
from vecsim.sources.columns import LayoutChooser, ListRow, SourceOptions, choose_columns
from vecsim.sources.delimited import read_delimited
from vecsim.sources.jsonlines import read_json_lines
from vecsim.sources.text import ListText, open_list
from vecsim.urls import without_credentials

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_LIST_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", *_JSON_SUFFIXES)

# The decoder may not support HEIC and JPEG 2000. They are listed nevertheless: a failure with a
# reason is better than pictures that are silently missing.
_IMAGE_FORMATS = "avif bmp gif heic heif jfif jp2 jpe jpeg jpg png tif tiff webp"
IMAGE_SUFFIXES = frozenset(f".{name}" for name in _IMAGE_FORMATS.split())

_DEFAULTS = SourceOptions()
_URL_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|data:", re.IGNORECASE)


def read_source(
    source: str | Path,
    options: SourceOptions = _DEFAULTS,
    *,
    stdin: BinaryIO | None = None,
    on_unreadable: Callable[[OSError], None] | None = None,
    may_be_empty: bool = False,
) -> Iterator[ImageRef]:
    """Yield the images that `source` lists: a CSV or TSV, JSON lines, a folder, `-` for stdin.

    An empty id cell is replaced by the URL. An empty URL cell is passed on as "": it becomes a
    failure of that image and does not end the run. `on_unreadable` is called with the error of
    each folder below that cannot be read. Raises `InputError`: at once if there is nothing at
    `source`, else while reading, also for a folder without images unless it `may_be_empty`.
    """
    name = check_exists(source)
    if name != "-" and os.path.isdir(name):
        return _read_folder(Path(name), on_unreadable, may_be_empty)
    return _read_list(name, options, stdin)


def check_exists(source: str | Path) -> str:
    """Return the name of a source. Raises `InputError` if there is nothing at that place."""
    name = os.fspath(source)
    if name != "-" and not os.path.lexists(name):
        name = without_credentials(name)
        if _URL_START.match(name):
            raise InputError(
                f"{name} is a URL, not a list of images.", hint=Hint(Action.QUERY_URL, url=name)
            )
        raise InputError(f"no such file or folder: {name}")
    return name


def source_name(source: str | Path) -> str:
    """Return a short name for a source or an index: "test1" for demo/test1.csv, "stdin" for `-`."""
    if os.fspath(source) == "-":
        return "stdin"
    path = Path(os.path.abspath(source))
    name = path.stem if path.suffix.lower() in _LIST_SUFFIXES else path.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "source"


def source_path(place: str) -> str:
    """Return the absolute path of a source; empty if it can be read only once."""
    path = Path(os.path.abspath(place))
    return "" if place == "-" or path.is_fifo() else url_of_file(path)


def list_images(
    folder: Path, on_unreadable: Callable[[OSError], None] | None = None
) -> Iterator[Path]:
    """Yield the files below `folder` that have the suffix of an image, always in the same order.

    The files of a folder come before its subfolders, both sorted by name. Hidden files and folders
    are left out. Links to folders are not followed, which excludes loops. Raises `InputError` for a
    folder that does not exist or cannot be read; `on_unreadable` is called with the error of
    those below `folder` instead, and the others are read.
    """

    def on_error(error: OSError) -> None:
        if on_unreadable is None or error.filename == str(folder):
            raise InputError(
                f"cannot read the folder {error.filename}: {error.strerror}."
            ) from error
        on_unreadable(error)

    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    for root, folders, files in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(root, name)


def _read_list(source: str, options: SourceOptions, stdin: BinaryIO | None) -> Iterator[ImageRef]:
    with open_list(source, options.encoding, stdin) as text:
        for line, id_cell, url_cell, fields in read_rows(source, text, options):
            url = resolve(url_cell, text.folder)
            location = text.location(line)
            image_id = (id_cell if id_cell.strip() else url) or Path(location).name
            yield ImageRef(without_credentials(image_id), url, fields, location)


def read_rows(
    source: str, text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the rows of a list, JSON lines or delimited; `choose` decides what its columns are."""
    read = read_json_lines if _is_json_lines(source, text) else read_delimited
    return read(text, options, choose)


def _is_json_lines(source: str, text: ListText) -> bool:
    """Detect JSON lines: by the suffix of the file, else by an object or array at the start."""
    suffix = Path(source).suffix.lower()
    return suffix in _JSON_SUFFIXES or (
        suffix not in _LIST_SUFFIXES and text.head.lstrip().startswith(("{", "[{"))
    )


def resolve(cell: str, folder: Path) -> str:
    """Make a path absolute, relative to `folder`; leave a URL (of any scheme) as it is."""
    cell = cell.strip()
    if not cell or cell.startswith("/") or _URL_START.match(cell):
        return cell
    return os.path.normpath(os.path.join(folder, cell))


def _read_folder(
    folder: Path, on_unreadable: Callable[[OSError], None] | None, may_be_empty: bool
) -> Iterator[ImageRef]:
    empty = not may_be_empty
    for path in list_images(folder, on_unreadable):
        empty = False
        url = url_of_file(Path(os.path.abspath(path)))
        yield ImageRef(id=url, url=url, location=str(path))
    if empty:
        raise InputError(
            f"no images in the folder {folder}. Looked for files ending in .jpg, .png, .webp and "
            "the like, in subfolders too."
        )


def url_of_file(path: Path) -> str:
    """Return the path, or a `file:` URL if the path is not valid text and could not be stored."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.as_uri()
    return str(path)
