"""Rows as lines of text: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence

from vecsim.render.columns import Column, Row, Value, as_text
from vecsim.render.destination import TextOutput


class CsvSink:
    r"""CSV with a header, lines ended by \n, fields quoted where they must be."""

    def __init__(self, stream: TextOutput, columns: Sequence[Column], delimiter: str = ",") -> None:
        self._scores = [place for place, column in enumerate(columns) if column.kind == "score"]
        self._writer = csv.writer(_PlainLineEnds(stream), delimiter=delimiter)
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Iterable[Row]) -> None:
        """Write some rows."""
        self._writer.writerows(map(self._with_scores, rows))

    def close(self) -> None:
        """Nothing is held back."""

    def _with_scores(self, row: Row) -> Row:
        # The csv module writes every other value as it should be: None as nothing.
        values = list(row)
        for place in self._scores:
            values[place] = as_text(values[place], "score")
        return values


class JsonLinesSink:
    """One JSON object a line; scores and integers are numbers."""

    def __init__(self, stream: TextOutput, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._stream = stream

    def write(self, rows: Iterable[Row]) -> None:
        """Write some rows."""
        for row in rows:
            values: dict[str, Value] = dict(zip(self._names, row, strict=True))
            self._stream.write(json.dumps(values, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing is held back."""


class _PlainLineEnds:
    r"""Turns the \r\n of the csv module into \n.

    Asking csv for \n itself would, before Python 3.13, leave a \r inside a field unquoted.
    """

    def __init__(self, stream: TextOutput) -> None:
        self._write = stream.write

    def write(self, line: str) -> None:
        self._write(line[:-2] + "\n")
