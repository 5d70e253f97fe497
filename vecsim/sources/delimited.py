"""CSV and TSV: rows with the physical line on which each begins."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.sources.columns import (
    ColumnLayout,
    LayoutChooser,
    ListRow,
    SourceOptions,
    choose_columns,
    number_columns,
    parse_header,
)
from vecsim.sources.text import ListText

_DELIMITERS = "\t,;|"
_ROWS_TO_DETECT = 20
_URL_STARTS = ("http://", "https://", "file:")
_QUOTING_RULE = 'A quote inside a quoted field is written twice: "a 5"" disc".'


def read_delimited(
    text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the rows below the header, without blank ones.

    Raises `InputError` for a row with too few or too many fields, and for broken quoting.
    """
    delimiter = options.delimiter or detect_delimiter(text.head)
    rows = _rows(text, delimiter)
    first = next(((line, row) for line, row in rows if not _is_blank(row)), None)
    if first is None:
        return
    line, row = first
    if options.header:
        names = parse_header(text.location(line), row)
    else:
        names = number_columns(len(row))
        rows = itertools.chain([first], rows)
    layout = choose(names, options, text.location(line))
    for line, row in rows:
        if _is_blank(row):
            continue
        if len(row) != len(names):
            raise _field_count_error(text.location(line), len(row), len(names), delimiter)
        yield _list_row(line, row, layout)


def detect_delimiter(head: str) -> str:
    """Choose the delimiter that suits the first rows best.

    It must split the first row. Among those that do, the best is the one with the most rows of as
    many fields as the first, then with the most rows that have a URL alone in a cell, then with the
    most fields. If none splits the first row, the list has one column: a tab, which no URL
    contains.
    """

    def merit(delimiter: str) -> tuple[int, int, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        rows: list[list[str]] = []
        with suppress(csv.Error):  # a field is too long: judge by the rows before it
            rows.extend(itertools.islice(filter(None, reader), _ROWS_TO_DETECT))
        if not rows or len(rows[0]) < 2:
            return (0, 0, 0)
        width = len(rows[0])
        agreeing = [row for row in rows if len(row) == width]
        with_url = sum(
            any(cell.strip().startswith(_URL_STARTS) for cell in row) for row in agreeing
        )
        return (len(agreeing), with_url, width)

    return max(_DELIMITERS, key=merit)


def _rows(text: ListText, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.lines, delimiter=delimiter, strict=True)
    first_line = 1
    try:
        for row in reader:
            yield first_line, row
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise _quoting_error(text, first_line, reader.line_num, str(error)) from error


def _quoting_error(text: ListText, first_line: int, line: int, reason: str) -> InputError:
    """Say what is wrong with the quotes of the row that begins on `first_line`."""
    location = text.location(first_line)
    if "end of data" in reason:
        problem = "a quote is opened in this row and never closed"
    elif "field larger" in reason:
        problem = (
            f"a field of this row is longer than {csv.field_size_limit():,} characters; most "
            "likely a quote is opened and never closed"
        )
    else:
        position = f", on line {line}" if line != first_line else ""
        problem = f"broken quoting in this row{position} ({reason})"
    return InputError(f"{location}: {problem}. {_QUOTING_RULE}")


def _field_count_error(location: str, count: int, width: int, delimiter: str) -> InputError:
    shown = "tab" if delimiter == "\t" else delimiter
    return InputError(
        f"{location}: {count} field{'s' * (count != 1)} where the first row has {width} "
        f"(delimiter: {shown}). Correct the row, or quote a field that contains the delimiter.",
        hint=Hint(Action.CHOOSE_DELIMITER),
    )


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell and not cell.isspace() for cell in row)


def _list_row(line: int, row: Sequence[str], layout: ColumnLayout) -> ListRow:
    id_cell = "" if layout.id is None else row[layout.id]
    fields = {name: row[position] for name, position in layout.fields.items()}
    return line, id_cell, row[layout.url], fields
