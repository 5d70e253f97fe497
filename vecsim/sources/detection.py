"""The form of a delimited list, found in its first rows: delimiter, quotes, header, lines above."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vecsim.sources.cells import Likeness, ends_as_picture, is_absent, likeness
from vecsim.sources.csv_rows import CsvRows
from vecsim.sources.formula_guard import remove_guard
from vecsim.sources.options import SourceOptions

SAMPLE_ROWS = 20
"""Rows that are examined."""

_DELIMITERS = "\t,;|"
_MOST_CELLS = 4_000
_PARAMETER = re.compile(r"[A-Za-z]{1,20}[_=:][\w.:/%+=-]*")
"""A parameter of a service that scales pictures, such as `h_200` or `quality=80`."""
_DECIMAL = re.compile(r"-?[0-9][0-9.]*,[0-9]+")
"""A number with a decimal comma, such as `1.299,00`."""
_QUOTED_FIELD = re.compile(r"""\A(?!\s*[\[{<]).*(?:[,;|\t]"|"[,;|\t])""", re.DOTALL)
"""A cell, no JSON or markup, that holds the begin or end of a quoted field of the list."""
_EXCEL_LINE = re.compile(r"\A\ufeff?\"?sep=(.)\"?\s*\Z")


@dataclass(frozen=True, slots=True)
class ListForm:
    """How a list is written.

    `quotes`: whether quotes around fields mean anything. `skipped`: lines above the first row.
    `has_header`: whether the first row names the columns.
    """

    delimiter: str
    quotes: bool
    skipped: int
    has_header: bool


def detect_form(
    head: str,
    is_whole: bool,
    options: SourceOptions,
    folder: Path,
    *,
    is_guarded: bool = False,
) -> ListForm:
    """Find the form of a list that begins with `head`. `folder`: of relative paths in it.

    `is_guarded`: whether a guard against formulas is to be taken out of the cells.

    What `options` say is taken as it is.
    """
    skipped, named, rest = _skip_lines_above(head, options.delimiter)
    delimiter = options.delimiter or named
    quotes = options.quoting != "none"
    if delimiter is None:
        delimiter = _best_delimiter(rest, folder, is_whole, quotes)
    if options.quoting == "auto" and delimiter == "\t" and _has_broken_quotes(rest, is_whole):
        quotes = False
    rows: list[Sequence[str]] = _first_rows(rest, delimiter, is_whole, quotes)
    if is_guarded:
        rows = [[remove_guard(cell) for cell in row] for row in rows]
    has_header = options.header and not _is_data(rows, folder)
    return ListForm(delimiter, quotes, skipped, has_header)


def _skip_lines_above(head: str, delimiter: str | None) -> tuple[int, str | None, str]:
    """Return how many lines are above the first row, the delimiter that they name, and the rest.

    Excel's `sep=;`, blank lines, and comments: lines with # that are not of the rows' width.
    """
    lines = list(islice(io.StringIO(head, newline=""), 200))
    named = None
    count = 0
    while count < len(lines):
        line = lines[count]
        excel = _EXCEL_LINE.match(line)
        if excel:
            named = excel[1]
        elif line.strip() and not _is_comment(lines, count, delimiter or named):
            break
        count += 1
    return count, named, head[sum(map(len, lines[:count])) :]


def _is_comment(lines: list[str], position: int, delimiter: str | None) -> bool:
    """Tell whether a line with # is no row: it has fewer delimiters than the row behind it."""
    line = lines[position]
    if not line.lstrip().startswith("#") or position + 1 >= len(lines):
        return False
    following = next((other for other in lines[position + 1 :] if not other.startswith("#")), "")
    if not following.strip():
        return False
    delimiters = delimiter or _DELIMITERS
    if not any(map(following.count, delimiters)):  # of a list of one column
        return line.lstrip().startswith("# ")
    return all(line.count(d) < following.count(d) or not line.count(d) for d in delimiters)


def _best_delimiter(head: str, folder: Path, is_whole: bool, quotes: bool) -> str:
    """Choose the delimiter whose columns hold the most, and the most complete, addresses.

    It must split the first row. Then the share of rows as wide as the first counts, then the most
    numbers with a decimal comma and the fewest fields that begin with a space, as behind a comma in
    a text, then the most fields. If none splits the first row, or the lines are addresses as they
    are, commas included, the list has one column: a tab, which no URL contains.
    """

    def merit(delimiter: str) -> tuple[int, float, int, int]:
        rows = [row for row in _first_rows(head, delimiter, is_whole, quotes) if row]
        if not rows or len(rows[0]) < 2:
            return (0, 0, 0, 0)
        width = len(rows[0])
        agreeing = sum(len(row) == width for row in rows) / len(rows)
        whole = sum(bool(_DECIMAL.fullmatch(cell)) for row in rows for cell in row)
        spaced = sum(cell[:1] == " " for row in rows for cell in row)
        return (_addresses(rows, folder), agreeing, whole - spaced, width)

    merits = {delimiter: merit(delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: merits[delimiter])
    lines = [line.strip() for line in islice(io.StringIO(head, newline=""), SAMPLE_ROWS)]
    _, agreeing, _, width = merits[best]
    first = next(filter(None, lines), "")
    if width > 1 and not likeness(first, folder) and agreeing > 0.5:
        return best  # a header has it, and most rows have as many
    # A line in quotes or markup has its address somewhere inside: it is none itself.
    alone = _addresses([[line] for line in lines if line and line[0] not in '"<[{'], folder)
    if alone > merits[best][0] or (alone and alone == merits[best][0] and _cut_urls(head, best)):
        return "\t"
    return best


def _addresses(rows: list[Sequence[str]] | list[list[str]], folder: Path) -> int:
    """Return how much the best cells of all rows look like addresses of pictures."""
    total = 0
    for row in rows:
        cells = islice(row, _MOST_CELLS // len(rows) + 1)
        whole = (c for c in cells if not is_absent(c) and not _QUOTED_FIELD.search(c))
        total += max((likeness(cell, folder) for cell in whole), default=0)
    return total


def _cut_urls(head: str, delimiter: str) -> bool:
    """Tell whether a delimiter would cut URLs.

    Then what is before it is none and paths are behind, or a query is before it and only more
    parameters are behind, as in `1.jpg?fit=w_300,h_200`.
    """
    lines = islice(io.StringIO(head, newline=""), SAMPLE_ROWS)
    pieces = [line.strip().split(delimiter) for line in lines if delimiter in line]
    return bool(pieces) and all(
        any(map(_is_end_of_path, row[1:]))
        if not ends_as_picture(row[0])
        else "?" in row[0] and all(map(_PARAMETER.fullmatch, row[1:]))
        for row in pieces
    )


def _is_end_of_path(piece: str) -> bool:
    """Tell whether a piece may be the end of a URL: it has a slash, and is no date or `N/A`."""
    is_path = re.fullmatch(r"\S*/\S*", piece) and re.search("[A-Za-z]", piece)
    return bool(is_path) and "://" not in piece and not is_absent(piece)


def _first_rows(head: str, delimiter: str, is_whole: bool, quotes: bool) -> list[Sequence[str]]:
    return list(islice(_rows(head, delimiter, is_whole, quotes), SAMPLE_ROWS + 1))


def _rows(head: str, delimiter: str, is_whole: bool, quotes: bool) -> Iterator[Sequence[str]]:
    lines = iter(io.StringIO(head, newline=""))
    rows = CsvRows(lines, delimiter, quotes=quotes, is_whole=is_whole)
    for _, cells, problem in rows:
        if problem and rows.width is None:
            return
        if rows.width is None and any(map(str.strip, cells)):
            rows.expect(len(cells), _columns_of_urls)
        if cells:
            yield cells


def _columns_of_urls(cells: Sequence[str]) -> Set[int]:
    return {n for n, cell in enumerate(cells) if "://" in cell}


def _has_broken_quotes(head: str, is_whole: bool) -> bool:
    """Tell whether quotes in the first rows, separated by tabs, are not those around fields."""
    lines = io.StringIO(head, newline="")
    reader = csv.reader(lines, delimiter="\t", strict=True)
    try:
        for _ in islice(reader, 200):
            pass
    except csv.Error as error:
        return is_whole or "end of data" not in str(error)
    return False


def _is_data(rows: list[Sequence[str]], folder: Path) -> bool:
    """Tell whether the first row lists an image: it has addresses where the others have them.

    A name of a column may be a URL itself: then there is none in the rows below.
    """
    if not rows:
        return False
    first, *others = rows
    is_data = False
    for position, cell in enumerate(first[:_MOST_CELLS]):
        if is_absent(cell) or not likeness(cell, folder):
            continue
        below = [row[position] for row in others if position < len(row)]
        below = [other for other in below if not is_absent(other)]
        alike = sum(likeness(other, folder) > Likeness.NOTHING for other in below)
        if 2 * alike < len(below):
            return False
        is_data = True
    return is_data
