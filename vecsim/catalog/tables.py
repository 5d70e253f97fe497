"""The tables of an index, column by column, and the checksum that each row carries.

A `Table` is the one definition from which rows are selected, inserted, checked and salvaged, and
from which `docs/make_format.py` writes the tables of docs/index-format.md. The tables themselves
are created by `vecsim.catalog.migrations`; a test compares both.

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
from dataclasses import dataclass, replace
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


CHECKSUM = Column(
    "checksum", "INTEGER", "of the row; see the rules", nullable=True, since=3, covered=False
)


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


SETTINGS = Table(
    "settings",
    "name",
    (
        Column("name", "TEXT", "primary key; the settings are listed below", nullable=True),
        Column("value", "TEXT", "as text"),
        CHECKSUM,
    ),
)

COUNTERS = Table(
    "counters",
    "name",
    (
        Column("name", "TEXT", "primary key: `generation` or `next_key`", nullable=True),
        Column("value", "INTEGER", "commits raise `generation`; `next_key` was never used yet"),
        CHECKSUM,
    ),
)

IMAGES = Table(
    "images",
    "key",
    (
        Column("key", "INTEGER", "primary key, from 1 on, never used again", nullable=True),
        Column("id", "TEXT", "unique among the images that are not removed"),
        Column("url", "TEXT", "where the image is"),
        Column("fields", "TEXT", "the other columns of the source: a JSON object of strings"),
        Column("final_url", "TEXT", "of the download, after redirects"),
        Column("http_status", "INTEGER", "of the download", nullable=True),
        Column("byte_count", "INTEGER", "of the file; 0 if the vector came without an image"),
        Column("sha256", "TEXT", "of the file; empty if the vector came without an image"),
        Column("width", "INTEGER", "in pixels, after EXIF orientation"),
        Column("height", "INTEGER", "in pixels, after EXIF orientation"),
        Column("format", "TEXT", "Pillow's name of the format"),
        Column("fetched_at", "TEXT", "when the file was downloaded or last found unchanged"),
        Column("etag", "TEXT", "of the download", nullable=True),
        Column("last_modified", "TEXT", "of the download", nullable=True),
        Column("warnings", "TEXT", "of the decoder, one a line", since=2, default=""),
        Column("added_at", "TEXT", "when the image was added"),
        Column("added_generation", "INTEGER", "the commit that added it"),
        # Set later, without a new checksum: null, or not below `added_generation`.
        Column(
            "removed_generation",
            "INTEGER",
            "the commit that removed it; null until then",
            nullable=True,
            covered=False,
        ),
        CHECKSUM,
        Column(
            "missing_since", "TEXT", "when the image was first found to be gone, else null", True, 4
        ),
        Column(
            "entropy", "INTEGER", "of the picture, in 0.001 bits; null: not measured", True, since=7
        ),
        Column(
            "unlisted",
            "INTEGER",
            "1: missing from its sources, its file was there; else null",
            True,
            8,
        ),
    ),
)

FAILURES = Table(
    "failures",
    "id",
    (
        Column("id", "TEXT", "primary key", nullable=True),
        Column("url", "TEXT", "of an image that could not be loaded"),
        Column("fields", "TEXT", "as in `images`"),
        Column("kind", "TEXT", "of the failure: `http`, `timeout`, …"),
        Column("message", "TEXT", "why the image could not be loaded"),
        Column("http_status", "INTEGER", "of the answer", nullable=True),
        Column("final_url", "TEXT", "after redirects", nullable=True),
        Column("attempts", "INTEGER", "in all runs together"),
        Column("last_try", "TEXT", "when it was tried last"),
        CHECKSUM,
    ),
)

SEGMENTS = Table(
    "segments",
    "name",
    (
        Column("name", "TEXT", "primary key: the file in `segments/`", nullable=True),
        Column("vector_count", "INTEGER", "vectors in the file"),
        Column("first_key", "INTEGER", "of the vectors, inclusive"),
        Column("last_key", "INTEGER", "of the vectors, inclusive"),
        Column("byte_count", "INTEGER", "of the file"),
        Column("sha256", "TEXT", "of the file"),
        Column("added_generation", "INTEGER", "the commit that added it"),
        CHECKSUM,
    ),
)

SOURCES = Table(
    "sources",
    "number",
    (
        Column("number", "INTEGER", "primary key", nullable=True, since=5),
        Column("name", "TEXT", "of the source, unique; by default its path", since=5, default=""),
        Column("place", "TEXT", "path of the list or folder", since=5, default=""),
        Column("began_at", "TEXT", "of a sync that is incomplete, else empty", since=5, default=""),
        Column("synced_from", "TEXT", "begin of the last complete sync", since=5, default=""),
        Column("synced_at", "TEXT", "end of the last complete sync", since=5, default=""),
        replace(CHECKSUM, since=5),
    ),
    positional_format=5,
)

OWNERS = Table(
    "owners",
    "number",
    (
        Column("number", "INTEGER", "primary key; ascending as claimed", nullable=True, since=5),
        Column("id", "TEXT", "of an image or failure that a source lists", since=5, default=""),
        Column("source", "INTEGER", "number of that source", since=5, default=0),
        Column("url", "TEXT", "that it lists; empty for the stored one", since=5, default=""),
        replace(CHECKSUM, since=5),
    ),
    positional_format=5,
)

DECISIONS = Table(
    "decisions",
    "pair",
    (
        Column("pair", "TEXT", "primary key: A:B, both SHA-256, A < B", nullable=True, since=6),
        Column("verdict", "TEXT", "`same` or `different`", since=6),
        Column("decided_at", "TEXT", "when it was decided", since=6),
        replace(CHECKSUM, since=6),
    ),
    positional_format=6,
)

THUMBNAILS = ThumbnailTable(
    "thumbnails",
    "key",
    (
        Column("key", "INTEGER", "primary key: that of the image", nullable=True),
        Column("webp", "BLOB", "the picture as JPEG or WebP, upright, at most 160 pixels a side"),
        Column(
            "checksum",
            "INTEGER",
            "CRC-32 of `webp`, started with the low 32 bits of `key`; null counts as right",
            nullable=True,
            since=2,
            covered=False,
        ),
    ),
    positional_format=2,
)
