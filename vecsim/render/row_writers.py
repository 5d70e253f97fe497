"""Rows as CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO
from itertools import islice
from typing import Any, BinaryIO, ClassVar

from vecsim.errors import MissingExtraError
from vecsim.render.columns import Column, Row, Value, as_text
from vecsim.render.destination import TextOutput

ROWS_AT_ONCE = 512
"""Rows of text that are made together; about as many as the buffer of a file holds."""

ROWS_PER_GROUP = 65_536
"""Rows of one group of a Parquet file."""


class CsvWriter:
    r"""CSV with a header line; lines end with \n, fields are quoted where necessary."""

    delimiter: ClassVar = ","

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._score_positions = [n for n, column in enumerate(columns) if column.kind == "score"]
        self._text = TextOutput(stream)
        self._write_lines([[column.name for column in columns]])

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows, a few hundred at a time."""
        source = iter(rows)
        while batch := list(islice(source, ROWS_AT_ONCE)):
            if self._score_positions:
                columns: list[Sequence[Value]] = list(zip(*batch, strict=True))
                # Scores get six decimals; the csv module writes all other values as required.
                for position in self._score_positions:
                    columns[position] = [as_text(value, "score") for value in columns[position]]
                batch = list(zip(*columns, strict=True))
            self._write_lines(batch)

    def close(self) -> None:
        """Do nothing: no row is held back."""

    def _write_lines(self, rows: Sequence[Row]) -> None:
        # Before Python 3.13, csv with `lineterminator="\n"` does not quote a field that holds \r.
        lines = StringIO(newline="")
        csv.writer(lines, delimiter=self.delimiter).writerows(rows)
        text = lines.getvalue()
        if text.count("\r") == len(rows):  # those of the ends of lines
            self._text.write(text.replace("\r\n", "\n"))
        else:
            csv.writer(_UnixLineEnds(self._text), delimiter=self.delimiter).writerows(rows)


class ExcelWriter(CsvWriter):
    """CSV that spreadsheets open: with a byte order mark, and a guard against formulas in text.

    See `vecsim.sources.formula_guard`.
    """

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        from vecsim.sources import BYTE_ORDER_MARK, guard_formulas

        self._text_positions = [n for n, column in enumerate(columns) if column.kind == "text"]
        self._guard = guard_formulas
        TextOutput(stream).write(BYTE_ORDER_MARK)
        super().__init__(stream, [replace(each, name=self._guard(each.name)) for each in columns])

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows, with a guard in cells of text."""
        super().write(map(self._guarded, rows))

    def _guarded(self, row: Row) -> Row:
        values = list(row)
        for position in self._text_positions:
            value = values[position]
            if isinstance(value, str):
                values[position] = self._guard(value)
        return values


class TsvWriter(CsvWriter):
    """The same with tabs between the columns."""

    delimiter = "\t"


class JsonLinesWriter:
    """One JSON object a line; scores and integers are JSON numbers."""

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._text = TextOutput(stream)
        # Made once: `json.dumps` would make an encoder for each row.
        self._encode = json.JSONEncoder(ensure_ascii=False).encode

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        for row in rows:
            values: dict[str, Value] = dict(zip(self._names, row, strict=True))
            self._text.write(self._encode(values) + "\n")

    def close(self) -> None:
        """Do nothing: no row is held back."""


class _UnixLineEnds:
    r"""Replaces the \r\n of the csv module by \n.

    Before Python 3.13, csv with `lineterminator="\n"` does not quote a field that contains \r.
    """

    def __init__(self, stream: TextOutput) -> None:
        self._write = stream.write

    def write(self, line: str) -> None:
        self._write(line[:-2] + "\n")


class ParquetWriter:
    """A Parquet file written in groups of rows, so that memory does not grow with the result.

    Raises `MissingExtraError` without pyarrow.
    """

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtraError(
                "Parquet needs pyarrow, which is not installed: pip install 'vecsim[parquet]'"
            ) from error
        types = {
            "text": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "score": pyarrow.float64(),
        }
        self._arrow: Any = pyarrow
        self._is_text = [column.kind == "text" for column in columns]
        self._schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
        self._writer = pyarrow.parquet.ParquetWriter(stream, self._schema)
        self._pending: list[Row] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows; those of an incomplete group are held back."""
        source = iter(rows)
        while batch := list(islice(source, ROWS_PER_GROUP - len(self._pending))):
            self._pending += batch
            if len(self._pending) == ROWS_PER_GROUP:
                self._write_group()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._pending:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        arrays = [
            self._arrow.array(
                [_text(row[position]) for row in self._pending]
                if is_text
                else [row[position] for row in self._pending],
                type=self._schema.field(position).type,
            )
            for position, is_text in enumerate(self._is_text)
        ]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        self._pending = []


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
