"""One connection to one SQLite file: opening, transactions, and errors translated."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecsim.catalog.log import log_of
from vecsim.catalog.migrations import Schema, writable
from vecsim.catalog.place import check_place
from vecsim.catalog.schema import CATALOG
from vecsim.errors import (
    IndexDamagedError,
    IndexFormatError,
    IndexMissingError,
    StorageError,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

# SQLite takes at most 32,766 variables in a statement; short lists keep statements cached.
LOOKUP_BATCH = 500


class Connection:
    """SQL in, rows out, errors as vecsim's own. Not for sharing between threads."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, immutable: bool = False
    ) -> None:
        self.path = path
        # SQLite neither locks nor looks again at a file that it takes to be immutable.
        self._unchanged = _state(path) if immutable else None
        self._connection = connection
        self._writes = False

    @classmethod
    def create(cls, path: Path, schema: Schema = CATALOG) -> Connection:
        """Make a new file with the tables of `schema`; the caller holds the writer's lock."""
        check_place(path.parent)
        with _translated(path):
            self = cls(path, sqlite3.connect(path, timeout=60))
            schema.apply(self._prepare_writing(schema))
            return self

    @classmethod
    def open(
        cls,
        path: Path,
        schema: Schema = CATALOG,
        *,
        write: bool = False,
        shared: bool = False,
    ) -> Connection:
        """Open an existing file, for reading only unless `write`.

        `shared`: threads may take turns with it, under a lock of theirs.
        Raises `IndexMissingError`, `IndexFormatError`, `IndexDamagedError`, `StorageError`.
        """
        if not path.is_file():
            raise IndexMissingError(f"{path}: no such catalog.")
        check_place(path.parent)
        mode = _mode(path, write)
        with _translated(path):
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?{mode}",
                uri=True,
                timeout=60,
                check_same_thread=not shared,
            )
            self = cls(path, connection, immutable=mode == _IMMUTABLE)
            try:
                self._check_version(schema, write)
            except BaseException:
                connection.close()
                raise
            return self

    def close(self) -> None:
        """Close the connection. The last one to close leaves a single file behind."""
        self._connection.close()

    def _prepare_writing(self, schema: Schema) -> Database:
        self._writes = True
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA cache_size=-{schema.writer_cache_kb}")
        return writable(self._connection)

    def _check_version(self, schema: Schema, write: bool) -> None:
        """Refuse a file of the future; bring an older one up to date when writing.

        Readers take an older one as it is: what later versions added is empty there.
        """
        database = self._prepare_writing(schema) if write else None
        if database is None:
            self._connection.execute("PRAGMA query_only=ON")
        known, applied = schema.scripts.keys(), schema.applied(self._connection)
        if not applied:
            raise IndexDamagedError(f"{self.path}: not a vecsim catalog.")
        if applied - known:
            raise IndexFormatError(
                f"{self.path}: written by a newer vecsim (format {max(applied)}). "
                f"Upgrade with: pip install --upgrade vecsim"
            )
        if database is not None and known - applied:
            schema.apply(database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when the block ends; for reads, one state of the catalog."""
        # A writer takes its place at once, for which SQLite waits. Where a transaction that has
        # read something begins to write, it does not wait at all: not for a reader that recovers
        # the log, nor for a killed writer of which the system has released only some locks.
        begin = "BEGIN IMMEDIATE" if self._writes else "BEGIN"
        with _translated(self.path), _whole(self._connection, begin):
            yield

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with _translated(self.path):
            rows = self._connection.execute(sql, values).fetchall()
        if self._unchanged is not None and _state(self.path) != self._unchanged:
            raise StorageError(
                f"{self.path}: changed while it was read, by somebody whose locks cannot be seen "
                f"from here. Try again when they are done, or get the right to write to the folder."
            )
        return rows

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement that writes and return how many rows it touched."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

    def change_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement that writes for each of `rows`; returns how many it touched in all."""
        with _translated(self.path):
            # Where there are no rows at all, SQLite's count is -1.
            return max(0, self._connection.executemany(sql, rows).rowcount)

    def columns_of(self, table: str) -> set[str]:
        """The names of a table's columns."""
        return {str(row[1]) for row in self.query(f"PRAGMA table_info({table})")}

    def query_batches(
        self, sql: str, values: Iterable[Any], *, tail: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of `sql IN (…) tail` for any number of `values`."""
        for batch in _batches(values):
            marks = ", ".join("?" * len(batch))
            yield from self.query(f"{sql} IN ({marks}) {tail}", batch)

    def scan(self, sql: str, *, tail: str = "") -> Iterator[tuple[Any, ...]]:
        """Rows of `sql > ? tail`, whose first column is the ascending key compared.

        Read in short batches, so that a slow consumer holds no transaction open.
        """
        after: Any = 0
        while rows := self.query(f"{sql} > ? {tail} ORDER BY 1 LIMIT {LOOKUP_BATCH}", [after]):
            yield from rows
            after = rows[-1][0]


@contextmanager
def _whole(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """A transaction, or a part of the one that there is."""
    if connection.in_transaction:
        yield
        return
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise damaged(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "readonly" in text or "read-only" in text:
            raise StorageError(f"{path}: cannot be written ({text}).") from error
        if "full" in text or "disk I/O" in text or "unable to open" in text:
            raise StorageError(f"{path}: {text}. What was committed before is safe.") from error
        if "locked" in text or "busy" in text:
            raise StorageError(f"{path}: busy for too long ({text}). Try again.") from error
        raise damaged(path, text) from error


def damaged(path: Path, what: str) -> IndexDamagedError:
    """The error for a catalog whose content makes no sense."""
    return IndexDamagedError(
        f"{path}: the catalog is damaged ({what}). Save what can be saved with: "
        f"vecsim repair {path.parent}"
    )


def _batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for value in values:
        batch.append(value)
        if len(batch) == LOOKUP_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


_IMMUTABLE = "immutable=1"


def _mode(path: Path, write: bool) -> str:
    """How to open the file: a folder that we cannot write to needs SQLite's immutable mode."""
    if write or os.access(path.parent, os.W_OK):
        return "mode=rw"
    return "mode=ro" if log_of(path).exists() else _IMMUTABLE


def _state(path: Path) -> tuple[object, ...]:
    """What a change of the file changes: a process that writes has a log beside it."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns, log_of(path).exists()
