"""The output formats: one entry each, from which choices, file extensions and the docs are made.

To add a format, write a class with the methods of `RowWriter` and add its entry to `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

from vecsim.errors import UsageError
from vecsim.hints import Action, Hint
from vecsim.render.columns import Column, Row
from vecsim.render.destination import is_stdout, is_terminal


class RowWriter(Protocol):
    """Writes rows in one format; made with (stream, columns)."""

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows; they may be held back until `close`."""

    def close(self) -> None:
        """Write what is held back. The stream stays open."""


@dataclass(frozen=True, slots=True)
class Format:
    """An output format.

    `writer`: "module:class" of its `RowWriter` in this package, imported when it is used, so that
    a format costs nothing until then. `extensions`: of files that get this format unless another
    is asked for; "" stands for none. `is_text`: whether a terminal can show it.
    """

    writer: str
    description: str
    extensions: tuple[str, ...] = ()
    is_text: bool = True

    def open(self, stream: BinaryIO, columns: Sequence[Column]) -> RowWriter:
        """Begin to write a table of `columns` to `stream`."""
        module, _, name = self.writer.partition(":")
        made: RowWriter = getattr(import_module(f"{__package__}.{module}"), name)(stream, columns)
        return made


FORMATS = {
    "table": Format("table:TableWriter", "a table as wide as the terminal, for reading"),
    "csv": Format("text_formats:CsvWriter", "comma-separated values", ("", ".csv", ".txt")),
    "tsv": Format("text_formats:TsvWriter", "tab-separated values", (".tsv", ".tab")),
    "jsonl": Format("text_formats:JsonLinesWriter", "a JSON object a line", (".jsonl", ".ndjson")),
    "parquet": Format(
        "parquet:ParquetWriter", "needs vecsim[parquet]", (".parquet",), is_text=False
    ),
}

_BY_EXTENSION = {end: name for name, format_ in FORMATS.items() for end in format_.extensions}


def choose_format(format: str | None, output: Path | None) -> str:
    """Return the name of the format for `output`; call it before any work is done.

    `format`: one of `FORMATS`; None takes the extension of `output`, else a table on a terminal and
    CSV otherwise. Raises `UsageError` for an unknown format or extension, and for a format that a
    terminal cannot show.
    """
    if format is None and is_terminal(output):
        return "table"
    if format is None:
        extension = "" if output is None or is_stdout(output) else output.suffix.lower()
        if extension not in _BY_EXTENSION:
            raise UsageError(
                f"{output}: no output format has the extension {extension}.",
                hint=Hint(
                    Action.CHOOSE_FORMAT,
                    formats="|".join(FORMATS),
                    extensions=", ".join(filter(None, _BY_EXTENSION)),
                ),
            )
        return _BY_EXTENSION[extension]
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; there are: {', '.join(FORMATS)}.")
    if not FORMATS[format].is_text and is_terminal(output):
        raise UsageError(
            f"the format {format} cannot be shown on a terminal.", hint=Hint(Action.WRITE_TO_FILE)
        )
    return format
