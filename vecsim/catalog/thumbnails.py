"""Thumbnails by the key of their image, in a SQLite file of their own beside the catalog.

A thumbnail without a row of its key in the catalog is ignored. Keys are never used again, so that a
thumbnail is never that of another image. The file may be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from vecsim.catalog import migrations
from vecsim.catalog.connection import Connection
from vecsim.catalog.table import Row
from vecsim.catalog.wal import shm_path, wal_path
from vecsim.contained import ContainedPath
from vecsim.contained.writes import new_path, remove_leftovers
from vecsim.errors import (
    IndexDamagedError,
    IndexFormatError,
    MisplacedFileError,
    StorageError,
    VecsimIndexError,
)
from vecsim.hints import Action, Hint


class ThumbnailStore:
    """The thumbnails of one index; without the file there are none. Threads must take turns."""

    def __init__(self, path: ContainedPath) -> None:
        self.path = path
        self._sql: Connection | None = None
        self._writable = False

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._sql is not None:
            self._sql.close()
            self._sql = None

    def get(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the thumbnails of those of `keys` that have an undamaged one."""
        with self._errors():
            file = self._open()
            if file is None:
                return {}
            table = file.schema.table("thumbnails")
            rows = map(table.row, file.query_batches(f"{_select(file)} WHERE key", keys))
            return {row["key"]: row["webp"] for row in rows if _is_intact(file, row)}

    def keys(self, keys: Iterable[int]) -> set[int]:
        """Return those of `keys` that have a thumbnail."""
        with self._errors():
            file = self._open()
            if file is None:
                return set()
            sql = "SELECT key FROM thumbnails WHERE key"
            return {row[0] for row in file.query_batches(sql, keys)}

    def put(self, thumbnails: Mapping[int, bytes], *, fresh_from: int | None = None) -> None:
        """Store thumbnails, durable when this returns.

        `fresh_from`: the first key that the catalog has not used. Thumbnails of this key and later
        ones were left by a run that was killed before its commit, and are deleted.
        """
        with self._errors():
            file = self._open(write=True, create=bool(thumbnails))
            if file is None:
                return
            with file.transaction():
                if fresh_from is not None:
                    file.change("DELETE FROM thumbnails WHERE key >= ?", [fresh_from])
                rows = [{"key": key, "webp": webp} for key, webp in thumbnails.items()]
                file.insert(file.schema.table("thumbnails"), rows, existing="update")

    def remove(self, keys: Iterable[int]) -> None:
        """Delete the thumbnails of `keys` and give their space back to the disk."""
        with self._errors():
            file = self._open(write=True)
            if file is None:
                return
            with file.transaction():
                statement = "DELETE FROM thumbnails WHERE key = ?"
                removed = file.change_many(statement, ((key,) for key in keys))
            if removed:
                file.vacuum()

    def check_integrity(self, *, write: bool = False) -> tuple[str, list[int]]:
        """Return what is damaged in the file as a whole ("" if nothing), and the keys of damaged
        thumbnails. `write`: check also that the file can be opened for writing.

        Raises `IndexFormatError`, `StorageError`.
        """
        try:
            with self._errors():
                file = self._open(write=write)
                if file is None:
                    return "", []
                for (text,) in file.query("PRAGMA integrity_check"):
                    if text != "ok":
                        return str(text), []
                table = file.schema.table("thumbnails")
                rows = map(table.row, file.scan(f"{_select(file)} WHERE key"))
                return "", [row["key"] for row in rows if not _is_intact(file, row)]
        except IndexFormatError:
            raise
        except VecsimIndexError as error:
            return error.message, []

    def _open(self, *, write: bool = False, create: bool = False) -> Connection | None:
        """Open the file unless it is open; None if it does not exist and `create` is false."""
        if write and not self._writable:
            self.close()
        if self._sql is None:
            if not self.path.has_file():
                if not create:
                    return None
                self._create()
            self._sql = Connection.open(self.path, migrations.THUMBNAILS, write=write, shared=True)
            self._writable = write
        return self._sql

    def _create(self) -> None:
        """Create the file, complete or not at all; the caller holds the writer's lock."""
        remove_leftovers(self.path)
        try:
            with new_path(self.path) as temporary:
                Connection.create(temporary, migrations.THUMBNAILS).close()
                # SQLite reports no error when it closes a file: if the disk refused a write, the
                # tables are still in the log.
                if wal_path(temporary).exists():
                    raise StorageError(
                        f"{self.path}: cannot be created.", hint=Hint(Action.MAKE_ROOM)
                    )
                shm_path(temporary).unlink(missing_ok=True)
        except BaseException:
            remove_leftovers(self.path)
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise errors of the block as those of the thumbnails' file."""
        try:
            yield
        except MisplacedFileError:
            raise
        except IndexDamagedError as error:
            raise IndexDamagedError(
                f"{self.path}: the thumbnails are damaged; everything else is safe.",
                hint=Hint(Action.REPAIR_INDEX, path=self.path.root),
            ) from error
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror}).") from error


def _select(file: Connection) -> str:
    """Return the beginning of a query for whole rows. Files of format 1 have no checksums."""
    table = file.schema.table("thumbnails")
    return f"SELECT {table.selected(file.columns_of(table))} FROM thumbnails"


def _is_intact(file: Connection, row: Row) -> bool:
    """Return whether a row is undamaged; its values may be of any type."""
    return isinstance(row["webp"], bytes) and file.schema.table("thumbnails").is_intact(row)
