"""A SOURCE of any kind as a stream of image references."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vecsim.errors import InputError
from vecsim.records import ImageRef
from vecsim.sources.delimited import read_delimited
from vecsim.sources.folder import list_images
from vecsim.sources.jsonlines import read_json_lines
from vecsim.sources.options import SourceOptions
from vecsim.sources.text import Text, open_text

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
LIST_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", *JSON_SUFFIXES)
_DEFAULTS = SourceOptions()
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|data:", re.IGNORECASE)


def read_source(
    source: str | Path,
    options: SourceOptions = _DEFAULTS,
    *,
    stdin: BinaryIO | None = None,
) -> Iterator[ImageRef]:
    """Stream the images that `source` lists: a CSV or TSV, JSON lines, a folder, `-` for stdin.

    An id cell that is empty takes the URL's place, and the other way round an empty URL is handed
    on as "", so that it becomes a failure of that image and not the end of the run. Raises
    `InputError` (at once if there is nothing at `source`, else while reading).
    """
    name = os.fspath(source)
    if name != "-" and not os.path.lexists(name):
        if _SCHEME.match(name):
            raise InputError(
                f"{name} is a URL, not a list of images: put it into a file, one URL a line below "
                f"the heading url, or look for it in an index with: vecsim query INDEX --url {name}"
            )
        raise InputError(f"no such file or folder: {name}")
    if name != "-" and os.path.isdir(name):
        return _read_folder(Path(name))
    return _read_list(name, options, stdin)


def name_of(source: str | Path) -> str:
    """A short name for a source or an index: "test1" for demo/test1.csv, "stdin" for `-`."""
    if os.fspath(source) == "-":
        return "stdin"
    path = Path(os.path.abspath(source))
    name = path.stem if path.suffix.lower() in LIST_SUFFIXES else path.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "source"


def _read_list(source: str, options: SourceOptions, stdin: BinaryIO | None) -> Iterator[ImageRef]:
    with open_text(source, options.encoding, stdin) as text:
        read = read_json_lines if _is_json(source, text) else read_delimited
        for line, id_cell, url_cell, fields in read(text, options):
            url = _absolute(url_cell.strip(), text.folder)
            identity = id_cell if id_cell.strip() else url
            location = text.at(line)
            yield ImageRef(identity or Path(location).name, url, fields, location)


def _is_json(source: str, text: Text) -> bool:
    """Decide by the suffix of a file; where it says nothing, an object or array is JSON."""
    suffix = Path(source).suffix.lower()
    return suffix in JSON_SUFFIXES or (
        suffix not in LIST_SUFFIXES and text.head.lstrip().startswith(("{", "[{"))
    )


def _absolute(cell: str, folder: Path) -> str:
    """Make a path absolute; leave a URL (also one that vecsim does not fetch) as it is."""
    if not cell or cell.startswith("/") or _SCHEME.match(cell):
        return cell
    return os.path.normpath(os.path.join(folder, cell))


def _read_folder(folder: Path) -> Iterator[ImageRef]:
    empty = True
    for path in list_images(folder):
        empty = False
        url = _folder_url(Path(os.path.abspath(path)))
        yield ImageRef(id=url, url=url, location=str(path))
    if empty:
        raise InputError(
            f"no images in the folder {folder}. Looked for files ending in .jpg, .png, .webp and "
            "the like, in subfolders too."
        )


def _folder_url(path: Path) -> str:
    """The path itself, or a `file:` URL if its name is no proper text and could not be stored."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.as_uri()
    return str(path)
