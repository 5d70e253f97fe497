"""Writes matches and other tables row by row, in a chosen format, to a file or standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vecsim.render.columns import Column, Row, as_columns, match_columns, match_row
from vecsim.render.destination import open_output
from vecsim.render.formats import FORMATS, RowWriter, choose_format

if TYPE_CHECKING:
    from vecsim.records import Match


class MatchWriter:
    """Writes matches as rows; made by `open_writer`."""

    def __init__(self, rows: RowWriter, row_of: Callable[[Match], Row]) -> None:
        self._rows = rows
        self._row_of = row_of

    def write(self, match: Match) -> None:
        """Write one match."""
        self.write_many((match,))

    def write_many(self, matches: Iterable[Match]) -> None:
        """Write matches as they come; memory does not grow with their number."""
        self._rows.write(map(self._row_of, matches))


@contextmanager
def open_writer(
    format: str | None = None,
    output: Path | None = None,
    *,
    query_fields: Sequence[str] = (),
    reference_fields: Sequence[str] = (),
    names: tuple[str, str] | None = None,
) -> Iterator[MatchWriter]:
    """Open a writer of matches; a file is complete when the block ends without an error.

    `format`, `output`: as in `choose_format`. `query_fields`, `reference_fields`: carried fields,
    written as the columns `query_NAME` and `reference_NAME`; `names` replaces these two prefixes.
    """
    columns = match_columns(query_fields, reference_fields, names)
    with open_rows(columns, format, output) as rows:
        yield MatchWriter(rows, match_row(query_fields, reference_fields))


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
