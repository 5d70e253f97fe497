"""Which column is the id, which the URL, and which are carried along."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from vecsim.errors import InputError
from vecsim.sources.options import SourceOptions

FAILURE_COLUMNS = ("final_url", "kind", "http_status", "message", "attempts", "last_try")
"""How `vecsim failures` ends its rows. They are its diagnosis, not fields of the image: a list
that ends so is read again without them (unless `columns` asks for them)."""


Row = tuple[int, str, str, dict[str, str]]
"""What every reader yields: physical line, id cell, URL cell, carried fields."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions in a row. `id` is None where the URL is the id; `carried` maps name to position."""

    id: int | None
    url: int
    carried: dict[str, int]


def header_names(where: str, cells: Sequence[str]) -> list[str]:
    """The column names of a header row; a nameless column is called by its number."""
    for cell in cells:
        if "://" in cell:
            raise InputError(
                f"{where} should name the columns, but holds data ({cell.strip()}). "
                "If the file has no header say --no-header."
            )
    names = [cell.strip() or str(number) for number, cell in enumerate(cells, 1)]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InputError(
                f"{where}: two columns are called {name!r} "
                f"(number {names.index(name) + 1} and {position + 1}). Rename one of them."
            )
    return names


def numbered_names(count: int) -> list[str]:
    """The names of columns without a header: 1, 2, 3 and so on."""
    return [str(number) for number in range(1, count + 1)]


def choose(names: Sequence[str], options: SourceOptions, where: str) -> Layout:
    """Decide what the columns `names` mean.

    The id is `id_column`, else the column `id`; without a header the first of several columns;
    else there is none and the URL serves. The URL is `url_column`, else `url`, else `path`, else
    the last column that is not the id.
    """
    id_position = _position(names, options.id_column, where)
    if id_position is None:
        id_position = _named(names, "id") if options.header else (0 if len(names) > 1 else None)
    url_position = _position(names, options.url_column, where)
    if url_position is None and options.header:
        url_position = _named(names, "url")
        if url_position is None:
            url_position = _named(names, "path")
    if url_position is None:
        free = [position for position in range(len(names)) if position != id_position]
        url_position = free[-1] if free else 0
    if id_position == url_position:
        id_position = None
    return Layout(
        id_position, url_position, _carried(names, options, where, id_position, url_position)
    )


def _carried(
    names: Sequence[str],
    options: SourceOptions,
    where: str,
    id_position: int | None,
    url_position: int,
) -> dict[str, int]:
    if options.columns is None:
        own = len(FAILURE_COLUMNS)
        listed = len(names) - own if tuple(names[-own:]) == FAILURE_COLUMNS else len(names)
        positions = list(range(listed))
    else:
        positions = [
            position
            for name in options.columns
            if (position := _position(names, name, where)) is not None
        ]
    return {
        names[position]: position
        for position in positions
        if position not in (id_position, url_position)
    }


def _position(names: Sequence[str], wanted: str | None, where: str) -> int | None:
    """Find the column a person asked for: by name, or by number counted from 1."""
    if wanted is None:
        return None
    found = _named(names, wanted)
    if found is not None:
        return found
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    there = ", ".join(names[:50])
    raise InputError(f"{where}: no column {wanted!r}.{hint} There are: {there}.")


def _named(names: Sequence[str], wanted: str) -> int | None:
    """Find a column by name: as it is written, else the first that differs in case only."""
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    return folded.index(wanted.casefold()) if wanted.casefold() in folded else None
