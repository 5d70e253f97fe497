"""`SourceOptions`, and which columns of a list they make the id, the URL and the other fields."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint

FAILURE_COLUMNS = ("final_url", "kind", "http_status", "message", "attempts", "last_try")
"""The last columns of the list that `vecsim failures` writes. They describe the failures and are
not fields of the images: a list that ends with them is read without them, unless `columns` names
them."""

_SPELLINGS_OF_TAB = ("\\t", "tab", "TAB")

ListRow: TypeAlias = tuple[int, str, str, dict[str, str]]
"""What a reader of lists yields: physical line, id cell, URL cell, other fields."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    r"""How to read a list of images. By default, the delimiter and the columns are detected.

    `delimiter`: one character; None detects it from the first rows. A tab may be written `\t` or
    `tab`, which is easier to type in a shell. `header`: whether the first row names the columns; if
    not, their names are 1, 2, 3 … `id_column`, `url_column`: a name, or a number counted from 1.
    `columns`: the other fields to keep, None for all. `encoding`: None is UTF-8, with or without a
    byte order mark (one of UTF-16 or UTF-32 is recognised too).
    """

    delimiter: str | None = None
    header: bool = True
    id_column: str | None = None
    url_column: str | None = None
    columns: tuple[str, ...] | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for a delimiter that cannot separate anything."""
        if self.delimiter in _SPELLINGS_OF_TAB:
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise UsageError(
                f"the delimiter must be one character, such as , or ; or \\t, "
                f"not {self.delimiter!r}"
            )


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Positions of the columns in a row. `fields` maps the names of other fields to positions.

    `id` is None where the URL serves as the id.
    """

    id: int | None
    url: int
    fields: dict[str, int]


def parse_header(location: str, cells: Sequence[str]) -> list[str]:
    """Return the column names of a header row; a column without a name gets its number.

    Raises `InputError` if the row holds a URL or two columns have the same name.
    """
    for cell in cells:
        if "://" in cell:
            raise InputError(
                f"{location} should name the columns, but holds data ({cell.strip()}).",
                hint=Hint(Action.DECLARE_NO_HEADER),
            )
    names = [cell.strip() or str(number) for number, cell in enumerate(cells, 1)]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InputError(
                f"{location}: two columns have the name {name!r} "
                f"(number {names.index(name) + 1} and {position + 1}). Rename one of them."
            )
    return names


def number_columns(count: int) -> list[str]:
    """Return the names of columns without a header: 1, 2, 3 and so on."""
    return [str(number) for number in range(1, count + 1)]


def choose_columns(names: Sequence[str], options: SourceOptions, location: str) -> ColumnLayout:
    """Decide which of the columns `names` hold the id, the URL and the other fields.

    The id is in `id_column`, else in the column `id`; without a header, in the first of several
    columns; else the URL serves as the id. The URL is in `url_column`, else in `url`, else in
    `path`, else in the last column that is not the id. Raises `InputError` for a column that does
    not exist.
    """
    id_position = _find_requested(names, options.id_column, location)
    if id_position is None:
        id_position = _find(names, "id") if options.header else (0 if len(names) > 1 else None)
    url_position = _find_requested(names, options.url_column, location)
    if url_position is None and options.header:
        url_position = _find(names, "url")
        if url_position is None:
            url_position = _find(names, "path")
    if url_position is None:
        others = [position for position in range(len(names)) if position != id_position]
        url_position = others[-1] if others else 0
    if id_position == url_position:
        id_position = None
    fields = {
        names[position]: position
        for position in _field_positions(names, options, location)
        if position not in (id_position, url_position)
    }
    return ColumnLayout(id_position, url_position, fields)


LayoutChooser: TypeAlias = Callable[[Sequence[str], SourceOptions, str], ColumnLayout]
"""`choose_columns` or `choose_id_columns`."""


def choose_id_columns(names: Sequence[str], options: SourceOptions, location: str) -> ColumnLayout:
    """Decide which of the columns `names` hold the ids of a list that need not have URLs.

    The id is in `id_column`, else in the column `id`; else the URL in `url` or `path` serves as the
    id; else it is in the only column or, without a header, in the first. `url` is the position of
    the id where the list has no URLs. Raises `InputError` where none of these exists.
    """
    id_position = _find_requested(names, options.id_column, location)
    url_position = _find_requested(names, options.url_column, location)
    if options.header:
        if id_position is None:
            id_position = _find(names, "id")
        if url_position is None:
            url_position = _find(names, "url")
        if url_position is None:
            url_position = _find(names, "path")
    if id_position is None and url_position is None and (len(names) == 1 or not options.header):
        id_position = 0
    url = id_position if url_position is None else url_position
    if url is None:
        raise _no_id_column(names, location)
    fields = {name: n for n, name in enumerate(names) if n not in (id_position, url)}
    return ColumnLayout(id_position, url, fields)


def _no_id_column(names: Sequence[str], location: str) -> InputError:
    """Return the error for a list in which no column can hold ids; a list of pairs is named so."""
    sides = [name for name in names if name.casefold().endswith("_id")]
    if len(sides) > 1:
        return InputError(
            f"{location}: this list has pairs of images ({sides[0]}, {sides[1]}), not images.",
            hint=Hint(Action.IMPORT_DECISIONS, file=location.rpartition(" line ")[0]),
        )
    existing = ", ".join(names[:50])
    return InputError(
        f"{location}: which column has the ids? There are: {existing}.",
        hint=Hint(Action.CHOOSE_ID_COLUMN),
    )


def _field_positions(names: Sequence[str], options: SourceOptions, location: str) -> list[int]:
    """The columns to keep: those that `columns` names, else all but those of failures."""
    if options.columns is None:
        count = len(names)
        if tuple(names[-len(FAILURE_COLUMNS) :]) == FAILURE_COLUMNS:
            count -= len(FAILURE_COLUMNS)
        return list(range(count))
    found = (_find_requested(names, name, location) for name in options.columns)
    return [position for position in found if position is not None]


def _find_requested(names: Sequence[str], wanted: str | None, location: str) -> int | None:
    """Find the column that an option names, by name or by number counted from 1."""
    if wanted is None:
        return None
    found = _find(names, wanted)
    if found is not None:
        return found
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    similar = difflib.get_close_matches(wanted, names, n=1)
    suggestion = f" Did you mean {similar[0]!r}?" if similar else ""
    existing = ", ".join(names[:50])
    raise InputError(f"{location}: no column {wanted!r}.{suggestion} There are: {existing}.")


def _find(names: Sequence[str], wanted: str) -> int | None:
    """Find a column by its exact name, else the first whose name differs only in case."""
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    return folded.index(wanted.casefold()) if wanted.casefold() in folded else None
