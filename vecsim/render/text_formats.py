"""Rows as lines of text: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import BinaryIO, ClassVar

from vecsim.render.columns import Column, Row, Value, as_text
from vecsim.render.destination import TextOutput


class CsvWriter:
    r"""CSV with a header line; lines end with \n, fields are quoted where necessary."""

    delimiter: ClassVar = ","

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._score_positions = [n for n, column in enumerate(columns) if column.kind == "score"]
        lines = _UnixLineEnds(TextOutput(stream))
        self._writer = csv.writer(lines, delimiter=self.delimiter)
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        self._writer.writerows(map(self._with_decimals, rows))

    def close(self) -> None:
        """Do nothing: no row is held back."""

    def _with_decimals(self, row: Row) -> Row:
        # Scores get six decimals; the csv module writes all other values as required.
        values = list(row)
        for position in self._score_positions:
            values[position] = as_text(values[position], "score")
        return values


class TsvWriter(CsvWriter):
    """The same with tabs between the columns."""

    delimiter = "\t"


class JsonLinesWriter:
    """One JSON object a line; scores and integers are JSON numbers."""

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._text = TextOutput(stream)

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        for row in rows:
            values: dict[str, Value] = dict(zip(self._names, row, strict=True))
            self._text.write(json.dumps(values, ensure_ascii=False) + "\n")

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
