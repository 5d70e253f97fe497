"""Parquet and Arrow files as lists, read with pyarrow (the extra `parquet`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from vecsim.errors import InputError, MissingExtraError, StoppedError
from vecsim.sources.columns import ColumnLayout, LayoutChooser, ListRow, choose_columns
from vecsim.sources.list_start import ListStart, parse_header
from vecsim.sources.options import SourceOptions
from vecsim.sources.reading import Reading
from vecsim.sources.text import folder_of

TABLE_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".arrows", ".ipc")
_BATCH = 2_000
_SAMPLE = 20


def is_table(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is one of Parquet or Arrow."""
    return head.startswith((b"PAR1", b"ARROW1"))


def read_table(
    source: str,
    options: SourceOptions,
    reading: Reading,
    choose: LayoutChooser = choose_columns,
) -> Iterator[ListRow]:
    """Yield the rows of the Parquet or Arrow file `source`, values as text.

    Instead of lines, rows are numbered, from 1. Raises `MissingExtraError` without pyarrow,
    `InputError` for a damaged file, `StoppedError`.
    """
    start = ListStart((), (), source, True, folder_of(source), reading.fetched, reading.notes)
    with _errors(source):
        names, batches = _open(source)
        parts = (list(zip(*map(_cells, batch.columns), strict=True)) for batch in batches)
        yield from rows_of_batches(parts, replace(start, names=names), options, reading, choose)


def rows_of_batches(
    batches: Iterator[Sequence[Sequence[str]]],
    start: ListStart,
    options: SourceOptions,
    reading: Reading,
    choose: LayoutChooser = choose_columns,
) -> Iterator[ListRow]:
    """Yield the rows of a table that comes in `batches` of rows of cells, numbered from 1.

    `start`: the names of its columns, and where it is. Raises `InputError`, `StoppedError`.
    """
    columns = parse_header(start.location, start.names)
    layout: ColumnLayout | None = None
    number = 0
    for rows in batches:
        if reading.stopped():
            raise StoppedError(f"Stopped while reading {start.location}.")
        if layout is None:
            layout = choose(replace(start, names=columns, rows=rows[:_SAMPLE]), options)
        for row in rows:
            number += 1
            yield _list_row(number, row, layout)


def _cells(column: Any) -> Iterator[str]:
    return map(cell_text, column.to_pylist())


def _list_row(number: int, row: Sequence[str], layout: ColumnLayout) -> ListRow:
    id_cell = "" if layout.id is None else row[layout.id]
    urls = tuple(row[position] for position in layout.urls)
    return number, id_cell, urls, {name: row[n] for name, n in layout.fields.items()}, ""


def _open(source: str) -> tuple[list[str], Iterator[Any]]:
    """Return the names of the columns, and the rows in batches."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{source} needs the package pyarrow: pip install 'vecsim[parquet]'"
        ) from error
    with open(source, "rb") as file:  # noqa: PTH123
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        parquet = pyarrow.parquet.ParquetFile(source, memory_map=True)
        return parquet.schema_arrow.names, parquet.iter_batches(batch_size=_BATCH)
    arrow = pyarrow.ipc.open_file(pyarrow.memory_map(source))
    batches = (arrow.get_batch(n) for n in range(arrow.num_record_batches))
    parts = (
        batch.slice(begin, _BATCH)
        for batch in batches
        for begin in range(0, batch.num_rows, _BATCH)
    )
    return arrow.schema.names, parts


@contextmanager
def _errors(source: str) -> Iterator[None]:
    """Turn pyarrow's errors into `InputError`."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:
        # Arrow's own errors are subclasses of these.
        raise InputError(f"{source} cannot be read as Parquet or Arrow: {error}") from error


def cell_text(value: object) -> str:
    """Return a value as a cell of a CSV has it; lists and structures as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return f"({len(value):,} bytes)"
    return str(value)
