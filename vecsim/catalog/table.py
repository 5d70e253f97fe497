"""A table column by column, and the checksum that each of its rows carries.

A `Table` is the one definition from which rows are selected, inserted, checked and salvaged, and
from which `docs/make_format.py` writes the tables of docs/index-format.md.

The checksum of a row finds changed bytes in it: SQLite's own check sees only the structure of its
pages. The checksum covers the columns of format 3 (those with `since <= 3`) in their order, frozen,
and of columns added later those whose value is not their default. A column that is added therefore
changes the checksum of no row that is there already, and a value that appears in it by damage does.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

# Made once: `json.dumps` would make an encoder for each row.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_sorted = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type`: SQLite's INTEGER, TEXT or BLOB. `meaning`: for the page of the format.

    `since`: the format, that is the number of the migration, that added it. `default`: its value in
    rows and files that are older than the column. `covered`: whether the checksum covers it.
    """

    name: str
    type: str
    meaning: str
    nullable: bool = False
    since: int = 1
    default: int | str | None = None
    covered: bool = True

    @property
    def sql_default(self) -> str:
        """Return the default as a literal of SQL."""
        if self.default is None:
            return "NULL"
        if isinstance(self.default, str):
            return "'" + self.default.replace("'", "''") + "'"
        return str(self.default)


@dataclass(frozen=True)
class Table:
    """One table. `key`: its primary key. `columns`: those of later formats at the end.

    `positional_format`: the last format whose columns the checksum covers by their position; frozen
    for tables that exist.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    positional_format: int = 3

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def _positional(self) -> itemgetter[Any]:
        """Picks the columns of format 3 that the checksum covers out of a row."""
        covered = (c for c in self.columns if c.covered and c.since <= self.positional_format)
        return itemgetter(*(column.name for column in covered))

    @cached_property
    def _later(self) -> tuple[Column, ...]:
        """The covered columns of later formats."""
        return tuple(c for c in self.columns if c.covered and c.since > self.positional_format)

    def checksum(self, row: Row) -> int:
        """Return 64 bits of BLAKE2b over the covered columns of `row`, signed as SQLite stores it.

        Columns that `row` lacks have their default. Raises TypeError for values that are neither
        text, numbers nor null.
        """
        text = _encode([self.name, *self._positional(row)]) + self._encode_later(row)
        digest = hashlib.blake2b(text.encode("ascii"), digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True)

    def _encode_later(self, row: Row) -> str:
        """Return the covered columns of later formats whose value is not their default, as JSON."""
        if not self._later:
            return ""
        later = {
            column.name: row[column.name]
            for column in self._later
            if row.get(column.name, column.default) != column.default
        }
        return _encode_sorted(later) if later else ""

    def is_intact(self, row: Row) -> bool:
        """Return whether a row has its own checksum.

        Rows of format 1 and 2, and rows that another program inserted, have none and count as
        intact.
        """
        try:
            return row["checksum"] in (None, self.checksum(row))
        except TypeError:  # a value of a type that no column has
            return False

    def selected(self, present: Collection[str], names: Sequence[str] | None = None) -> str:
        """Return the columns `names` (all by default) for a SELECT, in that order.

        `present`: the columns that the file has; one that it lacks is selected as its default.
        """
        by_name = {column.name: column for column in self.columns}
        columns = [by_name[name] for name in names or self.names]
        return ", ".join(
            column.name if column.name in present else f"{column.sql_default} AS {column.name}"
            for column in columns
        )

    def row(self, values: Sequence[Any], names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the `values` of a SELECT of `selected(…, names)` by the names of their columns."""
        return dict(zip(names or self.names, values, strict=True))


class ThumbnailTable(Table):
    """The table of thumbnails, whose checksum is a faster one."""

    def checksum(self, row: Row) -> int:
        """Return the CRC-32 of the picture, started with the low 32 bits of its key.

        Under another key, a picture is as damaged as with another byte.
        """
        crc = zlib.crc32(row["webp"], row["key"] & 0xFFFFFFFF)
        return zlib.crc32(self._encode_later(row).encode("ascii"), crc)
