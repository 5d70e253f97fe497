"""CSV and TSV: rows with the physical line they begin on."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress

from vecsim.errors import InputError
from vecsim.sources.columns import Layout, Row, choose, header_names, numbered_names
from vecsim.sources.options import SourceOptions
from vecsim.sources.text import Text

_DELIMITERS = "\t,;|"
_SNIFFED_ROWS = 20
_URL_STARTS = ("http://", "https://", "file:")


def read_delimited(text: Text, options: SourceOptions) -> Iterator[Row]:
    """Read the rows below the header; blank rows are left out."""
    delimiter = options.delimiter or sniff_delimiter(text.head)
    rows = _rows(text, delimiter)
    first = next(((line, row) for line, row in rows if not _blank(row)), None)
    if first is None:
        return
    line, row = first
    if options.header:
        names = header_names(text.at(line), row)
    else:
        names = numbered_names(len(row))
        rows = itertools.chain([first], rows)
    layout = choose(names, options, text.at(line))
    for line, row in rows:
        if _blank(row):
            continue
        if len(row) != len(names):
            raise InputError(_ragged(text, line, row, len(names), delimiter))
        yield _row(line, row, layout)


def sniff_delimiter(head: str) -> str:
    """Choose what separates the fields, by what the first rows look like with each candidate.

    It must split the first row; then it is the better the more rows have as many fields as that
    one, the more of them hold a cell that is an URL by itself, and the more fields there are.
    A list with one column needs no delimiter: a tab then, which no URL contains.
    """

    def merit(delimiter: str) -> tuple[int, int, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        rows: list[list[str]] = []
        with suppress(csv.Error):  # a field too long: judge by the rows before it
            rows.extend(itertools.islice(filter(None, reader), _SNIFFED_ROWS))
        if not rows or len(rows[0]) < 2:
            return (0, 0, 0)
        width = len(rows[0])
        agreeing = [row for row in rows if len(row) == width]
        clean = sum(any(cell.strip().startswith(_URL_STARTS) for cell in row) for row in agreeing)
        return (len(agreeing), clean, width)

    return max(_DELIMITERS, key=merit)


def _rows(text: Text, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.lines, delimiter=delimiter, strict=True)
    begins = 1
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InputError(_broken(text, begins, reader.line_num, str(error))) from error


def _broken(text: Text, begins: int, line: int, reason: str) -> str:
    """Say what is wrong with the quotes of the row that begins on line `begins`."""
    remedy = 'A quote inside a quoted field is written twice: "a 5"" disc".'
    if "end of data" in reason:
        return f"{text.at(begins)}: a quote is opened in this row and never closed. {remedy}"
    if "field larger" in reason:
        limit = csv.field_size_limit()
        return (
            f"{text.at(begins)}: a field of this row is longer than {limit:,} characters; most "
            f"likely a quote is opened and never closed. {remedy}"
        )
    where = f", on line {line}" if line != begins else ""
    return f"{text.at(begins)}: broken quoting in this row{where} ({reason}). {remedy}"


def _ragged(text: Text, line: int, row: Sequence[str], width: int, delimiter: str) -> str:
    shown = {"\t": "tab"}.get(delimiter, delimiter)
    return (
        f"{text.at(line)}: {len(row)} field{'s' * (len(row) != 1)} where the first row has "
        f"{width} (delimiter: {shown}). Correct the row, quote a field that contains the "
        "delimiter, or give the right --delimiter."
    )


def _blank(row: Sequence[str]) -> bool:
    return not any(cell and not cell.isspace() for cell in row)


def _row(line: int, row: Sequence[str], layout: Layout) -> Row:
    id_cell = "" if layout.id is None else row[layout.id]
    fields = {name: row[position] for name, position in layout.carried.items()}
    return line, id_cell, row[layout.url], fields
