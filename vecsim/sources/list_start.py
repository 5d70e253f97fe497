"""The start of a list, by which its columns are chosen: their names and first cells."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vecsim.errors import InputError
from vecsim.source_notes import SourceNotes
from vecsim.sources.cells import Likeness, is_absent, likeness


@dataclass(frozen=True, slots=True)
class ListStart:
    """The first rows of a list, by which its columns are chosen.

    `names`: of the columns. `rows`: cells of the first rows below the header. `location`: of the
    header, for messages. `is_named`: whether the list itself names its columns. `folder`: where
    relative paths begin. `fetched`: whether the images are to be fetched. `notes`:
    receives remarks.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]] = ()
    location: str = ""
    is_named: bool = True
    folder: Path = field(default_factory=Path)
    fetched: bool = True
    notes: SourceNotes = field(default_factory=SourceNotes)

    def cells(self, position: int) -> list[str]:
        """Return the cells of a column that hold something."""
        cells = [row[position] for row in self.rows if position < len(row)]
        return [cell for cell in cells if not is_absent(cell)]

    def share(self, position: int) -> float:
        """Return the share of a column's cells that look like addresses of pictures."""
        found = self._likenesses(position)
        return sum(one > Likeness.NOTHING for one in found) / len(found) if found else 0.0

    def likeness(self, position: int) -> Likeness:
        """Return how much a column's cells look like addresses: the median of those that do."""
        found = [one for one in self._likenesses(position) if one]
        return found[len(found) // 2] if found else Likeness.NOTHING

    def _likenesses(self, position: int) -> list[Likeness]:
        return sorted(likeness(cell, self.folder) for cell in self.cells(position))


def parse_header(location: str, cells: Sequence[str]) -> list[str]:
    """Return the column names of a header row; a column without a name gets its number.

    Raises `InputError` if two columns have the same name.
    """
    names = [cell.strip() or str(number) for number, cell in enumerate(cells, 1)]
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if first.setdefault(name, number) != number:
            raise InputError(
                f"{location}: two columns have the name {name!r} "
                f"(number {first[name]} and {number}). Rename one of them."
            )
    return names


def number_columns(count: int) -> list[str]:
    """Return the names of columns without a header: 1, 2, 3 and so on."""
    return [str(number) for number in range(1, count + 1)]


def find_requested(names: Sequence[str], wanted: str | None, location: str) -> int | None:
    """Find the column that an option names, by name or by number counted from 1.

    Raises `InputError` if there is none.
    """
    if wanted is None:
        return None
    found = find_column(names, wanted)
    if found is not None:
        return found
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    similar = difflib.get_close_matches(wanted, names, n=1)
    suggestion = f" Did you mean {similar[0]!r}?" if similar else ""
    existing = ", ".join(names[:50])
    raise InputError(f"{location}: no column {wanted!r}.{suggestion} There are: {existing}.")


def find_column(names: Sequence[str], wanted: str) -> int | None:
    """Find a column by its exact name, else the first whose name differs only in case."""
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    return folded.index(wanted.casefold()) if wanted.casefold() in folded else None
