"""Rows of CSV and TSV with their lines; a broken row does not end the list."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from typing import TypeAlias

from vecsim.sources.formula_guard import remove_guard, without_guards
from vecsim.sources.text import MAX_LINE

MAX_COLUMNS = 16_384
"""As many as a sheet of Excel has."""

_MAX_ROW_LINES = 5_000
_MAX_ROW_CHARACTERS = MAX_LINE
_REREAD_CHARACTERS = 1 << 26
"""How much may be read again in all behind quotes that are not closed. Then no row spans lines."""

csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))

CsvRow: TypeAlias = tuple[int, Sequence[str], str]
"""Physical line, cells, and what is wrong with the row: empty for a sound one."""

AddressColumns: TypeAlias = Callable[[Sequence[str]], Set[int]]
"""Returns the columns that hold an address, by which a row is recognised."""

QUOTING_RULE = 'A quote inside a quoted field is written twice: "a 5"" disc".'


class CsvRows:
    """Reads rows one by one, and goes on behind a broken one.

    A quote that is not closed would take the rows behind it into one field. So where a row of
    several lines ends badly, or contains lines that are rows themselves, its first line is read
    again by itself with quotes as plain characters, and then those behind it.
    """

    def __init__(
        self,
        lines: Iterator[str],
        delimiter: str,
        *,
        quotes: bool = True,
        first_line: int = 1,
        is_whole: bool = True,
        flaws: dict[int, str] | None = None,
        is_guarded: bool = False,
    ) -> None:
        """`quotes`: whether quotes mean anything. `is_whole`: whether `lines` end with the list.

        `flaws`: what is wrong with lines, by their number; taken out when their row is read.
        `is_guarded`: whether a guard against formulas is to be taken out of the cells.
        """
        self._lines = lines
        self._delimiter = delimiter
        self._quotes = quotes
        self._is_whole = is_whole
        self._is_guarded = is_guarded
        self._flaws = flaws if flaws is not None else {}
        self._before = first_line - 1  # lines of the rows that were read
        self._row: list[str] = []  # the lines of the row that is read now
        self._again: deque[str] = deque()
        self._may_reread = _REREAD_CHARACTERS
        self.width: int | None = None
        self.address_columns: AddressColumns = lambda cells: {0}

    def expect(self, width: int, address_columns: AddressColumns) -> None:
        """Say how many cells a row has from now on, and how one is recognised by its cells."""
        self.width, self.address_columns = width, address_columns

    def __iter__(self) -> Iterator[CsvRow]:
        lines, flaws = self._row, self._flaws
        while True:
            reader = self._reader()
            try:
                for cells in reader:
                    line = self._before + 1
                    count = len(lines)
                    if count > 1 and self._swallowed_rows():
                        yield self._first_line_alone("a quote is opened in this row and not closed")
                        continue
                    self._before += count
                    lines.clear()
                    if flaws and (flaw := self._take_flaw(line)):
                        yield line, cells, flaw
                    elif len(cells) == self.width or not cells:
                        yield line, cells, ""
                    else:
                        yield self._fitted(line, cells)
            except _RowTooLongError:
                yield self._first_line_alone("a quote is opened in this row and not closed")
            except csv.Error as error:
                if "end of data" in str(error):
                    if not self._is_whole and not self._swallowed_rows():
                        return
                    problem = "a quote is opened in this row and never closed"
                elif "field larger" in str(error):
                    problem = f"a field is longer than {csv.field_size_limit():,} characters"
                else:
                    problem = f"broken quoting ({error})"
                yield self._first_line_alone(problem)
            else:
                return

    def _reader(self) -> Iterator[list[str]]:
        rows: Iterator[list[str]]
        if self._quotes:
            rows = csv.reader(self._feed(), delimiter=self._delimiter, strict=True)
        else:
            rows = csv.reader(self._feed(), delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
        return without_guards(rows) if self._is_guarded else rows

    def _feed(self) -> Iterator[str]:
        """Yield lines to the reader, those to be read again first; remember those of one row."""
        row, again, lines = self._row, self._again, self._lines
        while True:
            if again:
                line = again.popleft()
            else:
                next_line = next(lines, None)
                if next_line is None:
                    return
                line = next_line
            row.append(line)
            if len(row) > 1 and self._is_too_long(row):
                raise _RowTooLongError
            yield line

    def _is_too_long(self, row: list[str]) -> bool:
        if self._may_reread <= 0 or len(row) > _MAX_ROW_LINES:
            return True
        return len(row) % 64 == 0 and sum(map(len, row)) > _MAX_ROW_CHARACTERS

    def _swallowed_rows(self) -> bool:
        """Tell whether the first line and a later one of a row have addresses in one column."""
        first, *rest = self._row
        columns = self._addresses(first)
        return bool(columns) and any(columns & self._addresses(line) for line in rest)

    def _addresses(self, line: str) -> Set[int]:
        """Return the columns that hold an address if a line is a row by itself, else none."""
        cells = self._split(line)
        return self.address_columns(cells) if len(cells) == self.width else set()

    def _split(self, line: str) -> list[str]:
        """Return the cells of one line, quotes as plain characters."""
        try:
            (cells,) = csv.reader([line], delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
        except (csv.Error, ValueError):
            return []
        return [remove_guard(cell) for cell in cells] if self._is_guarded else cells

    def _first_line_alone(self, problem: str) -> CsvRow:
        """Return the first line of the present row as a row; the others will be read again."""
        first, *rest = self._row
        self._row.clear()
        self._again.extendleft(reversed(rest))
        self._may_reread -= sum(map(len, rest))
        self._before += 1
        cells = self._split(first)
        if flaw := self._take_flaw(self._before):
            return self._before, cells, flaw
        if len(cells) == self.width and self.address_columns(cells):
            return self._before, cells, ""
        return self._before, cells, f"{problem}. {QUOTING_RULE}"

    def _take_flaw(self, line: int) -> str:
        """Return what is wrong with the lines from `line` on that were read; empty if nothing."""
        found = [self._flaws.pop(n) for n in range(line, self._before + 1) if n in self._flaws]
        return found[0] if found else ""

    def _fitted(self, line: int, cells: list[str]) -> CsvRow:
        """Cut empty cells off a row that is too long; add them to one that has an address."""
        width = self.width
        if width is None:
            if len(cells) > MAX_COLUMNS:
                return line, cells[:1], f"{len(cells):,} columns; at most {MAX_COLUMNS:,} are read"
            return line, cells, ""
        if len(cells) > width and not any(map(str.strip, cells[width:])):
            return line, cells[:width], ""
        if len(cells) < width:
            filled = [*cells, *[""] * (width - len(cells))]
            unquoted = [
                cell.replace('"', "") for cell in filled
            ]  # those of fields are gone already
            if not any(map(str.strip, cells)) or self.address_columns(unquoted):
                return line, filled, ""
        fields = f"{len(cells):,} field{'s' * (len(cells) != 1)}"
        shown = "tab" if self._delimiter == "\t" else self._delimiter
        problem = (
            f"{fields} where the first row has {width} (delimiter: {shown}). Correct it, or quote "
            f"a field that contains the delimiter"
        )
        return line, cells, problem


class _RowTooLongError(Exception):
    """A row has more lines or characters than one can have: a quote in it is not closed."""
