"""Small pictures by the key of their vector, in a SQLite file of their own beside the catalog.

The catalog decides what an index holds; nothing here counts without its row there. Keys are never
used again, so a picture cannot come to stand for another image. The file may be deleted.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vecsim.catalog.connection import Connection
from vecsim.catalog.log import log_of, memory_of
from vecsim.catalog.migrations import Schema
from vecsim.errors import IndexDamagedError, StorageError, VecsimIndexError
from vecsim.files import new_path, remove_leftovers

_TABLES = Schema(
    "vecsim-thumbnails",
    {
        "0001_initial": "CREATE TABLE thumbnails (key INTEGER PRIMARY KEY, webp BLOB NOT NULL)",
        "0002_checksum": "ALTER TABLE thumbnails ADD COLUMN checksum INTEGER",
    },
)


class ThumbnailStore:
    """The thumbnails of one index; none where there is no such file. Not to be shared by threads,
    unless they take turns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sql: Connection | None = None
        self._writable = False

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._sql is not None:
            self._sql.close()
            self._sql = None

    def get(self, keys: Iterable[int]) -> dict[int, bytes]:
        """The WebP files of those of `keys` that have one, as it was written."""
        with self._advice():
            file = self._open()
            if file is None:
                return {}
            rows = file.query_batches(f"{_all_of(file)} WHERE key", keys)
            return {key: webp for key, webp, checksum in rows if _sound(key, webp, checksum)}

    def keys(self, keys: Iterable[int]) -> set[int]:
        """Those of `keys` that have a thumbnail."""
        with self._advice():
            file = self._open()
            if file is None:
                return set()
            sql = "SELECT key FROM thumbnails WHERE key"
            return {row[0] for row in file.query_batches(sql, keys)}

    def put(self, thumbnails: Mapping[int, bytes], *, fresh_from: int | None = None) -> None:
        """Store thumbnails, durable when this returns.

        `fresh_from`: keys from here on are about to be given out. What stands there already was
        left by a run that died before the catalog named them, and goes.
        """
        with self._advice():
            file = self._open(write=True, create=bool(thumbnails))
            if file is None:
                return
            with file.transaction():
                if fresh_from is not None:
                    file.change("DELETE FROM thumbnails WHERE key >= ?", [fresh_from])
                rows = ((key, webp, _checksum(key, webp)) for key, webp in thumbnails.items())
                file.change_many("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", rows)

    def remove(self, keys: Iterable[int]) -> None:
        """Forget the thumbnails of `keys` and give their space back to the disk."""
        with self._advice():
            file = self._open(write=True)
            if file is None:
                return
            with file.transaction():
                statement = "DELETE FROM thumbnails WHERE key = ?"
                removed = file.change_many(statement, ((key,) for key in keys))
            if removed:
                file.query("VACUUM")

    def doubt(self, *, write: bool = False) -> tuple[str, list[int]]:
        """What is wrong with the file as a whole ("" if nothing), and the keys of thumbnails that
        are not what was written. `write`: whether it can be written to is doubted too.
        """
        try:
            with self._advice():
                file = self._open(write=write)
                if file is None:
                    return "", []
                for (text,) in file.query("PRAGMA integrity_check"):
                    if text != "ok":
                        return str(text), []
                rows = file.scan(f"{_all_of(file)} WHERE key")
                return "", [key for key, *stored in rows if not _sound(key, *stored)]
        except VecsimIndexError as error:
            return str(error), []

    def _open(self, *, write: bool = False, create: bool = False) -> Connection | None:
        """The file, opened unless it is open; None where there is none."""
        if write and not self._writable:
            self.close()
        if self._sql is None:
            if not self.path.is_file():
                if not create:
                    return None
                self._create()
            self._sql = Connection.open(self.path, _TABLES, write=write, shared=True)
            self._writable = write
        return self._sql

    def _create(self) -> None:
        """Make the file, complete or not at all; the caller holds the writer's lock."""
        remove_leftovers(self.path)
        try:
            with new_path(self.path) as temporary:
                Connection.create(temporary, _TABLES).close()
                # Closing says nothing where the disk refused: then the tables are still in the log.
                if log_of(temporary).exists():
                    raise StorageError(f"{self.path}: cannot be made. Run the same command again.")
                memory_of(temporary).unlink(missing_ok=True)
        except BaseException:
            remove_leftovers(self.path)
            raise

    @contextmanager
    def _advice(self) -> Iterator[None]:
        """Say of a damaged file what can be done about this one."""
        try:
            yield
        except IndexDamagedError as error:
            raise IndexDamagedError(
                f"{self.path}: the thumbnails are damaged; everything else is safe. Set them aside "
                f"with: vecsim repair {self.path.parent}"
            ) from error
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror}).") from error


def _all_of(file: Connection) -> str:
    """The beginning of a query for whole rows. Files of the first format have no checksums."""
    checksum = "checksum" if "checksum" in file.columns_of("thumbnails") else "NULL"
    return f"SELECT key, webp, {checksum} FROM thumbnails"


def _checksum(key: int, webp: bytes) -> int:
    """Of a picture as that of this key: under another one it is as damaged as by another byte."""
    return zlib.crc32(webp, key & 0xFFFFFFFF)


def _sound(key: int, webp: Any, checksum: Any) -> bool:
    """Whether a row is as it was written; what is stored may be of any type by now."""
    if not isinstance(webp, bytes):
        return False
    return checksum is None or checksum == _checksum(key, webp)
