"""Tables that programs hold: pandas, Polars, and all that hands out Arrow's columns."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from vecsim.errors import InputError, MissingExtraError
from vecsim.records import ImageRef
from vecsim.sources.list_start import ListStart, find_column, find_requested, parse_header
from vecsim.sources.options import SourceOptions
from vecsim.sources.reading import Reading
from vecsim.sources.references import references
from vecsim.sources.tables import cell_text, rows_of_batches

_ROWS = 2_000  # read at once
_LABEL = "the table"

Rows: TypeAlias = Sequence[Sequence[Any]]
"""Rows of a table, each with a value for each column."""


@dataclass(slots=True)
class Frame:
    """A table in memory: the names of its columns, and its rows in parts, to be read once."""

    names: list[str]
    parts: Iterator[Rows]

    def picture_column(self) -> str | None:
        """Return the first column whose first value is a picture itself, if there is one."""
        first = next(self.parts, ())
        self.parts = chain([first], self.parts)
        for position, name in enumerate(self.names):
            values = (row[position] for row in first)
            if is_picture(next((value for value in values if value is not None), None)):
                return name
        return None


def is_frame(value: object) -> bool:
    """Tell whether a value is a table: of pandas or Polars, or one with `__arrow_c_stream__`.

    A single column has that too, but no names of columns.
    """
    if _is_of(value, "polars", "LazyFrame"):
        return True
    return hasattr(value, "__arrow_c_stream__") and any(
        hasattr(value, name) for name in ("columns", "column_names", "schema")
    )


def open_frame(table: Any) -> Frame:
    """Open a table. Raises `MissingExtraError` where pyarrow is needed and not installed."""
    if _is_of(table, "pandas", "DataFrame"):
        return Frame(list(map(str, table.columns)), _pandas_rows(table))
    if _is_of(table, "polars", "LazyFrame"):
        table = table.collect()
    if _is_of(table, "polars", "DataFrame"):
        return Frame(table.columns, (part.rows() for part in table.iter_slices(_ROWS)))
    reader = _arrow_reader(table)
    return Frame(reader.schema.names, _arrow_rows(reader))


def collected(table: Any) -> Any:
    """Return a table that can be read again; one that hands out its rows once is read now."""
    return table if hasattr(table, "__len__") else _arrow_reader(table).read_all()


def _is_of(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class of a library, which then is imported already."""
    library = sys.modules.get(module)
    return library is not None and isinstance(value, getattr(library, name))


def _pandas_rows(frame: Any) -> Iterator[Rows]:
    for start in range(0, len(frame), _ROWS):
        part = frame.iloc[start : start + _ROWS]
        columns = []
        for position in range(part.shape[1]):
            column = part.iloc[:, position]
            missing = column.isna().tolist()
            columns.append(
                [
                    None if none else value
                    for value, none in zip(column.tolist(), missing, strict=True)
                ]
            )
        yield list(zip(*columns, strict=True))


def _arrow_reader(table: Any) -> Any:
    """Open the stream of a table. Raises `MissingExtraError`, `InputError`."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(
            f"a table of the class {type(table).__name__} is read with the package pyarrow: "
            f"pip install 'vecsim[parquet]'"
        ) from error
    try:
        return pyarrow.RecordBatchReader.from_stream(table)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{_LABEL} cannot be read: {error}") from error


def _arrow_rows(reader: Any) -> Iterator[Rows]:
    for batch in reader:
        for start in range(0, batch.num_rows, _ROWS):
            part = batch.slice(start, _ROWS)
            yield list(zip(*(column.to_pylist() for column in part.columns), strict=True))


def frame_refs(frame: Frame, options: SourceOptions, reading: Reading) -> Iterator[ImageRef]:
    """Yield the images of a table with a column of URLs or paths, as of a list with these columns.

    Relative paths begin in the current folder. Raises `InputError` if no column has URLs.
    """
    folder = Path.cwd()
    start = ListStart(frame.names, (), _LABEL, True, folder, reading.fetched, reading.notes)
    batches = ([list(map(cell_text, row)) for row in rows] for rows in frame.parts)
    rows = rows_of_batches(batches, start, options, reading)
    return references(rows, _LABEL, folder, options, reading)


def is_picture(value: object) -> bool:
    """Tell whether a cell is a picture and not its address: bytes, pixels, or a dict with bytes."""
    if isinstance(value, Mapping):
        return isinstance(value.get("bytes"), bytes)
    return isinstance(value, bytes | bytearray | memoryview) or hasattr(
        value, "__array_interface__"
    )


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A row of a table with pictures: the value of its cell, its id ("" for none) and fields."""

    picture: Any
    id: str
    fields: Mapping[str, str]


def picture_rows(frame: Frame, column: str, options: SourceOptions) -> Iterator[PictureRow]:
    """Yield the rows of a table whose `column` holds the pictures themselves.

    The id is in `options.id_column`, else in the column `id`. Raises `InputError` for a column that
    is not there.
    """
    names = parse_header(_LABEL, frame.names)
    position = find_requested(names, column, _LABEL)
    id_position = find_requested(names, options.id_column, _LABEL)
    if id_position is None:
        id_position = find_column(names, "id")
    kept = names if options.columns is None else options.columns
    found = {name: find_requested(names, name, _LABEL) for name in kept}
    carried = [(name, n) for name, n in found.items() if n not in (position, id_position)]
    for rows in frame.parts:
        for row in rows:
            id_ = "" if id_position is None else cell_text(row[id_position])
            fields = {name: cell_text(row[n]) for name, n in carried if n is not None}
            yield PictureRow(row[position or 0], id_, fields)
