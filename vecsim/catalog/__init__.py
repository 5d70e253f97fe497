"""The catalog: one SQLite file that decides what an index holds.

This is the only package that imports SQLite. The rows of a segment and of its images are written
in one transaction, so that each segment with a row has the rows of its images too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from vecsim.catalog.connection import Connection
from vecsim.catalog.decisions import DecisionTable
from vecsim.catalog.failures import FailureTable
from vecsim.catalog.image_hashes import ImageHashes, SharedBytes
from vecsim.catalog.images import ImageRow, ImageTable
from vecsim.catalog.integrity import check_integrity, salvage
from vecsim.catalog.listing import Listed, Listing
from vecsim.catalog.opening import catalog_damaged
from vecsim.catalog.row_checks import LARGEST, RowTypes, names_segment, parse_fingerprint
from vecsim.catalog.sources import OwnerRow, SourceRow, SourceTable
from vecsim.catalog.thumbnails import ThumbnailStore
from vecsim.catalog.wal import WalDamage, check_wal, journal_path, shm_path, wal_path
from vecsim.contained import ContainedPath
from vecsim.records import Fingerprint

__all__ = [
    "Catalog",
    "ImageRow",
    "Listed",
    "Listing",
    "OwnerRow",
    "SegmentRow",
    "SharedBytes",
    "SourceRow",
    "ThumbnailStore",
    "WalDamage",
    "check_wal",
    "journal_path",
    "parse_fingerprint",
    "salvage",
    "shm_path",
    "wal_path",
]


class Catalog:
    """The tables of one `catalog.db`, and its settings. Not for sharing between threads."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self.path = connection.path
        self.images = ImageTable(connection)
        self.hashes = ImageHashes(connection)
        self.failures = FailureTable(connection)
        self.segments = SegmentTable(connection)
        self.sources = SourceTable(connection)
        self.decisions = DecisionTable(connection)
        self.transaction = connection.transaction
        self.close = connection.close

    @classmethod
    def create(
        cls,
        path: ContainedPath,
        fingerprint: Fingerprint,
        settings: Mapping[str, str] | None = None,
    ) -> Catalog:
        """Create a catalog; the caller holds the writer's lock. Raises `StorageError`."""
        catalog = cls(Connection.create(path))
        with catalog.transaction():
            catalog.set_fingerprint(fingerprint)
            for name, value in (settings or {}).items():
                catalog.set_setting(name, value)
        return catalog

    @classmethod
    def open(cls, path: ContainedPath, *, write: bool = False, shared: bool = False) -> Catalog:
        """Open an existing catalog, for reading only unless `write`.

        `shared`: threads may take turns with the catalog, under a lock of theirs.
        Raises `IndexMissingError`, `IndexFormatError`, `IndexDamagedError`, `StorageError`.
        """
        return cls(Connection.open(path, write=write, shared=shared))

    def setting(self, name: str) -> str | None:
        """Return the value of a setting, or None."""
        rows = self._sql.query("SELECT value FROM settings WHERE name = ?", [name])
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Store a setting. Inside a transaction."""
        table = self._sql.schema.table("settings")
        self._sql.insert(table, [{"name": name, "value": value}], existing="update")

    @property
    def fingerprint(self) -> Fingerprint:
        """The model, weights and preprocessing that made the vectors of this index."""
        found = parse_fingerprint(self.setting("fingerprint") or "")
        if found is None:
            raise catalog_damaged(self.path, "it does not name its model")
        return found

    def set_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Store the fingerprint, which never changes afterwards. Inside a transaction."""
        self.set_setting("fingerprint", json.dumps(asdict(fingerprint)))

    def counter(self, name: str) -> int:
        """Return the value of a counter: 'generation' or 'next_key'."""
        rows = self._sql.query("SELECT value FROM counters WHERE name = ?", [name])
        if not rows or not isinstance(rows[0][0], int) or not 0 <= rows[0][0] < LARGEST:
            raise catalog_damaged(self.path, f"it has no counter {name!r}")
        return int(rows[0][0])

    def data_version(self) -> int:
        """Return a number that is another one once another connection has committed anything."""
        return int(self._sql.query("PRAGMA data_version")[0][0])

    def advance(self, name: str, by: int = 1) -> int:
        """Increase a counter and return its new value. Inside a transaction."""
        value = self.counter(name) + by
        table = self._sql.schema.table("counters")
        self._sql.insert(table, [{"name": name, "value": value}], existing="update")
        return value

    def field_names(self) -> list[str]:
        """Names of the carried fields, in the order in which each first occurred."""
        try:
            names = json.loads(self.setting("field_names") or "[]")
        except (ValueError, RecursionError) as error:
            raise catalog_damaged(self.path, "the names of its fields cannot be read") from error
        if not isinstance(names, list) or any(type(name) is not str for name in names):
            raise catalog_damaged(self.path, "the names of its fields are no texts")
        return names

    def add_field_names(self, names: Iterable[str]) -> None:
        """Store the names of carried fields that are new. Inside a transaction."""
        known = self.field_names()
        new = [name for name in dict.fromkeys(names) if name not in known]
        if new:
            self.set_setting("field_names", json.dumps(known + new, ensure_ascii=False))

    def count_rows(self, table: str) -> int:
        """Return how many rows a table has; none in a file without it."""
        exists = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not self._sql.query(exists, [table])[0][0]:
            return 0
        return int(self._sql.query(f'SELECT count(*) FROM "{table}"')[0][0])

    def listing(self) -> Listing:
        """Return an empty table of what sources list, which goes with the connection."""
        return Listing(self._sql)

    def check_integrity(self) -> Iterator[str]:
        """Describe, for people, what is damaged in the file; nothing if it is sound."""
        return check_integrity(self._sql)

    def vacuum(self) -> None:
        """Give free pages back to the disk."""
        self._sql.vacuum()


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """What the catalog knows of one segment file. Sizes in bytes, keys inclusive."""

    name: str
    vector_count: int
    first_key: int
    last_key: int
    byte_count: int
    sha256: str


_SEGMENT = tuple(SegmentRow.__dataclass_fields__)


class SegmentTable:
    """The table `segments`. A file in `segments/` without a row was left by an interrupted run."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._table = connection.schema.table("segments")
        self._types = RowTypes(self._table, _SEGMENT, connection.path)

    def all(self) -> list[SegmentRow]:
        """Return all segments in the order of their keys.

        Raises `IndexDamagedError` for one whose name vecsim does not give: it could be a path to
        other files.
        """
        rows = self._sql.query(f"SELECT {', '.join(_SEGMENT)} FROM segments ORDER BY first_key")
        for row in rows:
            self._types.check(row)
            if not names_segment(dict(zip(_SEGMENT, row, strict=True))):
                raise catalog_damaged(
                    self._sql.path, f"it names {row[0][:80]!r} as a segment, with other keys"
                )
        return [SegmentRow(*row) for row in rows]

    def insert(self, row: SegmentRow, generation: int) -> None:
        """Insert the row of a file that is complete and durable. Inside a transaction."""
        self._sql.insert(self._table, [{**asdict(row), "added_generation": generation}])

    def delete(self, names: Iterable[str]) -> None:
        """Delete the rows of segments that a merge has replaced. Inside a transaction."""
        self._sql.change_many("DELETE FROM segments WHERE name = ?", ((name,) for name in names))
