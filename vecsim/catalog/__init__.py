"""The catalog: one SQLite file that decides what an index holds.

The only package that talks to SQLite. The rows of a segment and of its images are written in
one transaction, so what is named here is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from vecsim.catalog.checksums import row_checksum
from vecsim.catalog.connection import Connection, damaged
from vecsim.catalog.doubt import problems
from vecsim.catalog.failures import FailureTable
from vecsim.catalog.images import ImageRow, ImageTable, SharedBytes
from vecsim.catalog.log import LogDamage, log_damage, log_of, memory_of
from vecsim.catalog.segments import SegmentRow, SegmentTable
from vecsim.catalog.thumbnails import ThumbnailStore
from vecsim.records import Fingerprint

__all__ = [
    "Catalog",
    "ImageRow",
    "LogDamage",
    "SegmentRow",
    "SharedBytes",
    "ThumbnailStore",
    "log_damage",
    "log_of",
    "memory_of",
]


class Catalog:
    """The tables of one `catalog.db`, and its settings. Not for sharing between threads."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self.path = connection.path
        self.images = ImageTable(connection)
        self.failures = FailureTable(connection)
        self.segments = SegmentTable(connection)
        self.transaction = connection.transaction
        self.close = connection.close

    @classmethod
    def create(
        cls, path: Path, fingerprint: Fingerprint, settings: Mapping[str, str] | None = None
    ) -> Catalog:
        """Make a new catalog; the caller holds the writer's lock."""
        catalog = cls(Connection.create(path))
        with catalog.transaction():
            catalog.set_fingerprint(fingerprint)
            for name, value in (settings or {}).items():
                catalog.set_setting(name, value)
        return catalog

    @classmethod
    def open(cls, path: Path, *, write: bool = False, shared: bool = False) -> Catalog:
        """Open an existing catalog, for reading only unless `write`.

        `shared`: threads may take turns with it, under a lock of theirs.
        Raises `IndexMissingError`, `IndexFormatError`, `IndexDamagedError`, `StorageError`.
        """
        return cls(Connection.open(path, write=write, shared=shared))

    def setting(self, name: str) -> str | None:
        """The value of a setting, or None."""
        rows = self._sql.query("SELECT value FROM settings WHERE name = ?", [name])
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Store a setting. Inside a transaction."""
        checksum = row_checksum("settings", [name, value])
        self._sql.query("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", [name, value, checksum])

    @property
    def fingerprint(self) -> Fingerprint:
        """What made the vectors of this index."""
        text = self.setting("fingerprint")
        try:
            return Fingerprint(**json.loads(text or ""))
        except (ValueError, TypeError) as error:
            raise damaged(self.path, "it does not say which model it is for") from error

    def set_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Say what makes the vectors; once, for it never changes. Inside a transaction."""
        self.set_setting("fingerprint", json.dumps(asdict(fingerprint)))

    def counter(self, name: str) -> int:
        """The value of a counter: 'generation' or 'next_key'."""
        rows = self._sql.query("SELECT value FROM counters WHERE name = ?", [name])
        if not rows or not isinstance(rows[0][0], int):
            raise damaged(self.path, f"it has no counter {name!r}")
        return int(rows[0][0])

    def advance(self, name: str, by: int = 1) -> int:
        """Raise a counter and return its new value. Inside a transaction."""
        value = self.counter(name) + by
        self._sql.query(
            "UPDATE counters SET value = ?, checksum = ? WHERE name = ?",
            [value, row_checksum("counters", [name, value]), name],
        )
        return value

    def field_names(self) -> list[str]:
        """Names of the carried fields, in the order in which they first came."""
        try:
            return list(json.loads(self.setting("field_names") or "[]"))
        except (ValueError, TypeError) as error:
            raise damaged(self.path, "the names of its fields cannot be read") from error

    def remember_fields(self, names: Iterable[str]) -> None:
        """Add the names of carried fields that are new. Inside a transaction."""
        known = self.field_names()
        new = [name for name in dict.fromkeys(names) if name not in known]
        if new:
            self.set_setting("field_names", json.dumps(known + new, ensure_ascii=False))

    def problems(self) -> Iterator[str]:
        """What is not as it was written; nothing when all is well."""
        return problems(self._sql)

    def vacuum(self) -> None:
        """Give free pages back to the disk."""
        self._sql.query("VACUUM")
