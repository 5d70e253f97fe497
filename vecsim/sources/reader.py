"""Reads a source of any kind, a list, a folder or a picture, as a stream of image references."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint
from vecsim.records import ImageRef
from vecsim.sources.columns import LayoutChooser, ListRow, choose_columns
from vecsim.sources.delimited import read_delimited
from vecsim.sources.folders import has_signature, read_folder, url_of_file
from vecsim.sources.jsonlists import read_json
from vecsim.sources.options import SourceOptions
from vecsim.sources.reading import Reading
from vecsim.sources.references import references
from vecsim.sources.streams import COMPRESSED_SUFFIXES
from vecsim.sources.tables import TABLE_SUFFIXES, is_table, read_table
from vecsim.sources.text import ListText, open_list
from vecsim.urls import without_credentials

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_LIST_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", *_JSON_SUFFIXES, *TABLE_SUFFIXES)

_DEFAULTS = SourceOptions()
_URL_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|data:", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")


def read_source(
    source: str | Path, options: SourceOptions = _DEFAULTS, reading: Reading | None = None
) -> Iterator[ImageRef]:
    """Yield the images of `source`.

    It is a list (CSV, TSV, JSON, Parquet or Arrow, also compressed; `-` for standard input), a
    folder, a picture, or a pattern with * of the names of these. An empty id cell is replaced by
    the URL. A row that cannot be used is yielded as an `UnusableRef`, which becomes a failure and
    does not end the run. Raises `InputError`: at once if there is nothing at `source`, else while
    reading, also for a folder without images unless it may be empty; `StoppedError`.
    """
    reading = reading or Reading()
    places = check_exists(source)
    return chain.from_iterable(_read_place(place, options, reading) for place in places)


def check_exists(source: str | Path) -> list[str]:
    """Return the names of what a source means: itself, or all that its pattern matches.

    Raises `InputError` if there is nothing at that place.
    """
    name = os.fspath(source)
    if name == "-" or os.path.lexists(name):
        return [name]
    name = without_credentials(name)
    if _URL_START.match(name):
        raise InputError(
            f"{name} is a URL, not a list of images.", hint=Hint(Action.QUERY_URL, url=name)
        )
    if _GLOB.search(name) and (found := sorted(glob.glob(name, recursive=True))):
        return found
    raise InputError(f"no such file or folder: {name}")


def is_list_or_folder(place: str) -> bool:
    """Tell whether `place` is standard input, a folder, or a file with the suffix of a list."""
    if place == "-" or os.path.isdir(place):
        return True
    name = place.lower()
    for packed in COMPRESSED_SUFFIXES:
        name = name.removesuffix(packed)
    return name.endswith(_LIST_SUFFIXES) and os.path.lexists(place)


def _read_place(name: str, options: SourceOptions, reading: Reading) -> Iterator[ImageRef]:
    if name != "-" and os.path.isdir(name):
        return read_folder(Path(name), options, reading)
    head = _first_bytes(name)
    if has_signature(head):
        url = url_of_file(Path(os.path.abspath(name)))
        return iter([ImageRef(url, url, location=name)])
    if is_table(head):
        rows = read_table(name, options, reading)
        return references(rows, name, Path(name).parent.resolve(), options, reading)
    return _read_list(name, options, reading)


def _first_bytes(name: str) -> bytes:
    """Return the first bytes of a regular file; none of a pipe, which would lose them."""
    try:
        if name == "-" or not stat.S_ISREG(os.stat(name).st_mode):
            return b""
        with open(name, "rb") as file:  # noqa: PTH123
            return file.read(64)
    except OSError:
        return b""


def _read_list(source: str, options: SourceOptions, reading: Reading) -> Iterator[ImageRef]:
    with open_list(source, options.encoding, reading) as text:
        rows = read_rows(source, text, options)
        yield from references(rows, text.label, text.folder, options, reading)


def read_rows(
    source: str, text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the rows of a list in text, JSON or delimited; `choose` decides its columns."""
    read = read_json if _is_json(source, text) else read_delimited
    return read(text, options, choose)


def sound_rows(
    source: str,
    options: SourceOptions,
    choose: LayoutChooser = choose_columns,
    *,
    fetched: bool = True,
) -> Iterator[tuple[str, ListRow]]:
    """Yield the rows of a list of which each one counts, each behind its location.

    The list is one in text, JSON, Parquet or Arrow. `fetched`: as in `Reading`. Raises
    `InputError`, also for a broken row.
    """
    reading = Reading(fetched=fetched)
    if is_table(_first_bytes(source)):
        for row in read_table(source, options, reading, choose):
            yield f"{source} line {row[0]}", row
        return
    with open_list(source, options.encoding, reading) as text:
        for row in read_rows(source, text, options, choose):
            location = text.location(row[0])
            if row[-1]:
                raise InputError(f"{location}: {row[-1]}.")
            yield location, row


def _is_json(source: str, text: ListText) -> bool:
    """Detect JSON: by the suffix of the file, else by an object or array at the start."""
    name = source.lower()
    for packed in COMPRESSED_SUFFIXES:
        name = name.removesuffix(packed)
    suffix = Path(name).suffix
    return suffix in _JSON_SUFFIXES or (
        suffix not in _LIST_SUFFIXES and re.match(r"\s*(\{|\[\s*[\[{])", text.head) is not None
    )


def source_name(source: str | Path) -> str:
    """Return a short name for a source or an index: "test1" for demo/test1.csv, "stdin" for `-`."""
    if os.fspath(source) == "-":
        return "stdin"
    path = Path(os.path.abspath(source))
    if path.suffix.lower() in COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    name = path.stem if path.suffix.lower() in _LIST_SUFFIXES else path.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "source"


def source_path(place: str) -> str:
    """Return the absolute path of a source; empty if it can be read only once."""
    path = Path(os.path.abspath(place))
    return "" if place == "-" or path.is_fifo() else url_of_file(path)


# -- several sources, and their names ------------------------------------------------------------


def check_name(name: str | None, places: list[str]) -> None:
    """Raise `UsageError` for one name for several sources, and for an empty name."""
    if name is not None and len(places) != 1:
        raise UsageError("One name was given for several sources: take them one after the other.")
    if name is not None and not name.strip():
        raise UsageError("The name of a source is empty.")


def refs_of(
    places: list[str],
    options: SourceOptions,
    name: str | None = None,
    reading: Reading | None = None,
) -> Iterator[ImageRef]:
    """Return the references of sources, one after the other; all must exist from the start.

    Each names its source: `name`, else the path. Raises `UsageError` for one name for several.
    """
    check_name(name, places)
    streams = [read_source(place, options, reading) for place in places]
    names = [name or source_path(place) for place in places]
    return chain.from_iterable(
        (replace(ref, source=name) for ref in stream) if name else stream
        for name, stream in zip(names, streams, strict=True)
    )


def count_refs(places: list[str], options: SourceOptions) -> int | None:
    """Return how many images the sources list; None if one of them can be read only once."""
    if any(place == "-" or Path(place).is_fifo() for place in places):
        return None
    return sum(1 for _ in refs_of(places, options))


def peek_fields(refs: Iterable[ImageRef]) -> tuple[list[str], Iterator[ImageRef]]:
    """Return the names of the first reference's fields, and all references, the first included."""
    stream = iter(refs)
    first = next(stream, None)
    if first is None:
        return [], iter(())
    return list(first.fields), chain([first], stream)
