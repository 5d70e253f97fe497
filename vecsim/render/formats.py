"""The output formats, one entry each, and writing tables row by row in one of them.

To add a format, write a class with the methods of `RowWriter` and add its entry to `FORMATS`:
choices, file extensions and the documentation are made from the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from vecsim.errors import UsageError
from vecsim.hints import Action, Hint
from vecsim.render.columns import Column, Row, as_columns, block_rows, match_columns, match_row
from vecsim.render.destination import is_stdout, is_terminal, open_output

if TYPE_CHECKING:
    from vecsim.index.match_blocks import MatchBlock
    from vecsim.results import Match


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
    "csv": Format("row_writers:CsvWriter", "comma-separated values", ("", ".csv", ".txt")),
    "tsv": Format("row_writers:TsvWriter", "tab-separated values", (".tsv", ".tab")),
    "jsonl": Format("row_writers:JsonLinesWriter", "a JSON object a line", (".jsonl", ".ndjson")),
    "excel": Format(
        "row_writers:ExcelWriter", "CSV that spreadsheets open, like --excel", is_text=False
    ),
    "parquet": Format(
        "row_writers:ParquetWriter", "needs vecsim[parquet]", (".parquet",), is_text=False
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


class MatchWriter:
    """Writes matches as rows; made by `open_writer`. Memory does not grow with their number."""

    def __init__(
        self,
        rows: RowWriter,
        query_fields: Sequence[str],
        reference_fields: Sequence[str],
        oriented: bool,
    ) -> None:
        self._rows = rows
        self._row_of = match_row(query_fields, reference_fields, oriented=oriented)
        self._rows_of = partial(
            block_rows,
            query_fields=query_fields,
            reference_fields=reference_fields,
            oriented=oriented,
        )

    def write(self, match: Match) -> None:
        """Write one match."""
        self.write_many((match,))

    def write_many(self, matches: Iterable[Match]) -> None:
        """Write matches as they come."""
        self._rows.write(map(self._row_of, matches))

    def write_block(self, block: MatchBlock) -> None:
        """Write the matches of a block."""
        self._rows.write(self._rows_of(block))


@contextmanager
def open_writer(
    format: str | None = None,
    output: Path | None = None,
    *,
    query_fields: Sequence[str] = (),
    reference_fields: Sequence[str] = (),
    names: tuple[str, str] | None = None,
    oriented: bool = False,
) -> Iterator[MatchWriter]:
    """Open a writer of matches; a file is complete when the block ends without an error.

    `format`, `output`: as in `choose_format`. `query_fields`, `reference_fields`: carried fields,
    written as the columns `query_NAME` and `reference_NAME`; `names` replaces these two prefixes.
    `oriented`: with the column `orientation`.
    """
    columns = match_columns(query_fields, reference_fields, names, oriented=oriented)
    with open_rows(columns, format, output) as rows:
        yield MatchWriter(rows, query_fields, reference_fields, oriented)


@contextmanager
def open_rows(
    columns: Sequence[str | Column], format: str | None = None, output: Path | None = None
) -> Iterator[RowWriter]:
    """Open a writer of any table; a column given by its name alone holds text.

    A file is complete when the block ends without an error; otherwise what was there stays.
    """
    chosen = FORMATS[choose_format(format, output)]
    with open_output(output) as stream:
        writer = chosen.open(stream, as_columns(columns))
        yield writer
        writer.close()


def write_rows(
    columns: Sequence[str | Column],
    rows: Iterable[Row],
    format: str | None = None,
    output: Path | None = None,
) -> None:
    """Write a whole table, row by row; arguments as in `open_rows`."""
    with open_rows(columns, format, output) as writer:
        writer.write(rows)
