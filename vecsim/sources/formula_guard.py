"""The guard against formulas in cells of CSV files for spreadsheets: put in, and taken out again.

A spreadsheet runs a cell that begins with =, +, -, @, a tab or a carriage return, or with the wide
forms of these signs: a URL or title from outside could send the sheet to a server, or start a
program. An apostrophe in front makes the cell plain text (OWASP, "CSV Injection"). Where the comma
is no separator, as in German, a spreadsheet splits lines at semicolons, so what follows one inside
a cell is guarded too, as is what follows a tab or an end of line.

A further apostrophe is put before those that are there already, so that taking one out restores
every text. Files with guarded cells begin with a byte order mark, by which readers recognise them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

BYTE_ORDER_MARK = "\ufeff"

_SIGNS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"  # the last four: wide =, +, -, @
_BEGINNING = r"(?<![^;\t\r\n])"
_FORMULA = rf"(?='*[ \u00a0\u3000]*[{_SIGNS}])"
_UNGUARDED = re.compile(_BEGINNING + _FORMULA)
_GUARDED = re.compile(_BEGINNING + "'" + _FORMULA)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*%?")


def guard_formulas(text: str) -> str:
    """Return `text` for a cell in which no spreadsheet sees a formula; a number stays as it is."""
    if _NUMBER.fullmatch(text):
        return text
    return _UNGUARDED.sub("'", text)


def remove_guard(text: str) -> str:
    """Return the text of which `guard_formulas` has made `text`."""
    return _GUARDED.sub("", text) if "'" in text else text


def without_guards(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the rows of a guarded file with the texts of their cells."""
    for cells in rows:
        yield [remove_guard(cell) for cell in cells]
