"""Writing results row by row, in the format and to the place a person chose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from vecsim.errors import UsageError
from vecsim.render.columns import Column, Row, as_columns, match_columns, match_row
from vecsim.render.destination import TextOutput, deliver, is_terminal

if TYPE_CHECKING:
    from vecsim.records import Match

FORMATS = ("table", "csv", "tsv", "jsonl", "parquet")
_BY_SUFFIX = {
    "": "csv",
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


class Sink(Protocol):
    """Takes rows in one format."""

    def write(self, rows: Iterable[Row]) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Write what is still held back."""


class MatchWriter:
    """Takes matches; made by `open_writer`."""

    def __init__(self, sink: Sink, row: Callable[[Match], Row]) -> None:
        self._sink = sink
        self._row = row
        self.count = 0

    def write(self, match: Match) -> None:
        """Write one match."""
        self.write_many((match,))

    def write_many(self, matches: Iterable[Match]) -> None:
        """Write matches as they come; none is kept longer than a group of rows."""
        self._sink.write(map(self._counted, matches))

    def _counted(self, match: Match) -> Row:
        self.count += 1
        return self._row(match)


@contextmanager
def open_writer(
    format: str | None = None,
    output: Path | None = None,
    *,
    query_fields: Sequence[str] = (),
    reference_fields: Sequence[str] = (),
    names: tuple[str, str] | None = None,
) -> Iterator[MatchWriter]:
    """Open a writer of matches; the result is complete when the block ends without an error.

    `format`: one of `FORMATS`; None takes the suffix of `output`, else a table for a terminal and
    CSV for everything else. `query_fields`, `reference_fields`: the carried fields, as columns
    `query_NAME` and `reference_NAME`. `names` replaces these two prefixes.
    """
    columns = match_columns(query_fields, reference_fields, names)
    with open_rows(columns, format, output) as sink:
        yield MatchWriter(sink, match_row(query_fields, reference_fields))


def write_rows(
    columns: Sequence[str | Column],
    rows: Iterable[Row],
    format: str | None = None,
    output: Path | None = None,
) -> None:
    """Write any other table, row by row; a column given by its name alone holds text."""
    with open_rows(as_columns(columns), format, output) as sink:
        sink.write(rows)


def choose_format(format: str | None, output: Path | None) -> str:
    """Settle the format before any work is done, so that a wrong wish is refused at once."""
    if format is None and is_terminal(output):
        return "table"
    if format is None:
        suffix = "" if output is None or str(output) == "-" else output.suffix.lower()
        if suffix not in _BY_SUFFIX:
            raise UsageError(
                f"the name {output} does not say which format is meant: "
                f"add --format {'|'.join(FORMATS)}, or let it end in .csv, .jsonl or .parquet."
            )
        format = _BY_SUFFIX[suffix]
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; there are: {', '.join(FORMATS)}.")
    if format == "parquet" and is_terminal(output):
        raise UsageError("Parquet is not for a terminal: give --output FILE or redirect it.")
    return format


@contextmanager
def open_rows(columns: Sequence[Column], format: str | None, output: Path | None) -> Iterator[Sink]:
    """Open a writer of any other table; complete when the block ends without an error."""
    chosen = choose_format(format, output)
    with deliver(output) as stream:
        sink = _make_sink(chosen, stream, columns)
        yield sink
        sink.close()


def _make_sink(chosen: str, stream: BinaryIO, columns: Sequence[Column]) -> Sink:
    # Imported here, so that each format pays for its own libraries only.
    if chosen == "parquet":
        from vecsim.render.parquet import ParquetSink

        return ParquetSink(stream, columns)
    text = TextOutput(stream)
    if chosen == "table":
        from vecsim.render.table import TableSink

        return TableSink(text, columns)
    from vecsim.render.text_formats import CsvSink, JsonLinesSink

    if chosen == "jsonl":
        return JsonLinesSink(text, columns)
    return CsvSink(text, columns, "\t" if chosen == "tsv" else ",")
