"""One connection to one SQLite file: opening, transactions, and errors translated."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from vecsim.catalog import migrations
from vecsim.catalog.migrations import Schema
from vecsim.catalog.tables import Table
from vecsim.catalog.wal import wal_path
from vecsim.errors import IndexDamagedError, IndexFormatError, IndexMissingError, StorageError
from vecsim.hints import Action, Hint
from vecsim.machine import file_system_of, is_network_file_system

# SQLite takes at most 32,766 variables in a statement; short lists keep statements cached.
LOOKUP_BATCH = 500

T = TypeVar("T")

Existing: TypeAlias = Literal["fail", "ignore", "update"]

_ALLOW_NETWORK = "VECSIM_NETWORK_FOLDER"
_IMMUTABLE = "immutable=1"


class Connection:
    """SQL in, rows out, errors as vecsim's own. Not for sharing between threads."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        schema: Schema,
        *,
        immutable: bool = False,
    ) -> None:
        self.path = path
        self.schema = schema
        # SQLite neither locks a file that is opened as immutable nor notices that it changes.
        self._expected_state = _file_state(path) if immutable else None
        self._connection = connection
        self._writes = False
        self._columns: dict[str, frozenset[str]] = {}

    @classmethod
    def create(cls, path: Path, schema: Schema | None = None) -> Connection:
        """Create a file with the tables of `schema`, by default the catalog's.

        The caller holds the writer's lock. Raises `StorageError`.
        """
        schema = schema or migrations.CATALOG
        _check_local_disk(path.parent)
        with _translated(path):
            self = cls(path, sqlite3.connect(path, timeout=60), schema)
            self._prepare_writing()
            schema.apply(self._connection)
            return self

    @classmethod
    def open(
        cls,
        path: Path,
        schema: Schema | None = None,
        *,
        write: bool = False,
        shared: bool = False,
    ) -> Connection:
        """Open an existing file, for reading only unless `write`.

        `schema`: by default the catalog's. `shared`: threads may take turns with the connection,
        under a lock of theirs.
        Raises `IndexMissingError`, `IndexFormatError`, `IndexDamagedError`, `StorageError`.
        """
        if not path.is_file():
            raise IndexMissingError(f"{path}: no such catalog.")
        _check_local_disk(path.parent)
        mode = _open_mode(path, write)
        with _translated(path):
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?{mode}",
                uri=True,
                timeout=60,
                check_same_thread=not shared,
            )
            immutable = mode == _IMMUTABLE
            self = cls(path, connection, schema or migrations.CATALOG, immutable=immutable)
            try:
                self._check_format(write)
            except BaseException:
                connection.close()
                raise
            return self

    def close(self) -> None:
        """Close the connection. The last one to close leaves a single file behind."""
        self._connection.close()

    def _prepare_writing(self) -> None:
        self._writes = True
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA cache_size=-{self.schema.writer_cache_kb}")

    def _check_format(self, write: bool) -> None:
        """Refuse a file of a newer format; bring an older one up to date when writing.

        Readers take an older file as it is: columns that it lacks have their defaults.
        """
        if write:
            self._prepare_writing()
        else:
            self._connection.execute("PRAGMA query_only=ON")
        known, applied = self.schema.migrations.keys(), self.schema.applied(self._connection)
        if not applied:
            raise IndexDamagedError(f"{self.path}: not a vecsim catalog.")
        if applied - known:
            raise IndexFormatError(
                f"{self.path}: written by a newer vecsim (format {max(applied - known)}).",
                hint=Hint(Action.UPGRADE),
            )
        if write and known - applied:
            self.schema.apply(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when the block ends; for reads, one state of the file."""
        # BEGIN IMMEDIATE takes the write lock at once, for which SQLite waits. A transaction that
        # has read and then begins to write does not wait at all: not for a reader that recovers the
        # log, nor for a killed writer of which the system has released only some locks.
        begin = "BEGIN IMMEDIATE" if self._writes else "BEGIN"
        with _translated(self.path), _transaction(self._connection, begin):
            yield

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with _translated(self.path):
            rows = self._connection.execute(sql, values).fetchall()
        if self._expected_state is not None and _file_state(self.path) != self._expected_state:
            raise StorageError(
                f"{self.path}: changed while it was read, by a process whose locks cannot be seen "
                f"from here.",
                hint=Hint(Action.WAIT_OR_GET_PERMISSION),
            )
        return rows

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement that writes; return how many rows it changed."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

    def change_many(self, sql: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> int:
        """Run one statement that writes for each of `rows`; return how many rows it changed."""
        with _translated(self.path):
            # SQLite's count is -1 where there are no rows at all.
            return max(0, self._connection.executemany(sql, rows).rowcount)

    def insert(
        self, table: Table, rows: Sequence[dict[str, Any]], *, existing: Existing = "fail"
    ) -> None:
        """Insert rows, given by the names of their columns, with their checksums.

        All have the same columns; those left out have their default. `existing`: what to do where
        there is a row of the same primary key.
        """
        if not rows:
            return
        names = [*rows[0], "checksum"]
        values_of = itemgetter(*rows[0])  # half the time of named parameters
        marks = ", ".join("?" * len(names))
        verb = "INSERT OR IGNORE" if existing == "ignore" else "INSERT"
        sql = f"{verb} INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
        if existing == "update":
            updates = (f"{name} = excluded.{name}" for name in names if name != table.key)
            sql += f" ON CONFLICT ({table.key}) DO UPDATE SET {', '.join(updates)}"
        self.change_many(sql, ((*values_of(row), table.checksum(row)) for row in rows))

    def update(self, table: Table, changes: Iterable[tuple[Any, Mapping[str, Any]]]) -> None:
        """Set columns of rows, given by primary key, and renew their checksums."""
        selected, where = table.selected(self.columns_of(table)), f"WHERE {table.key} = ?"
        for key, changed in changes:
            (values,) = self.query(f"SELECT {selected} FROM {table.name} {where}", [key])
            new = {**changed, "checksum": table.checksum({**table.row(values), **changed})}
            columns = ", ".join(f"{name} = ?" for name in new)
            self.change(f"UPDATE {table.name} SET {columns} {where}", [*new.values(), key])

    def columns_of(self, table: Table) -> frozenset[str]:
        """Return the names of the columns that a table has in this file; none without the table."""
        if table.name not in self._columns:
            rows = self.query(f"PRAGMA table_info({table.name})")
            self._columns[table.name] = frozenset(str(row[1]) for row in rows)
        return self._columns[table.name]

    def query_batches(
        self, sql: str, values: Iterable[Any], *, tail: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `sql IN (…) tail` for any number of `values`."""
        for batch in batches(values):
            marks = ", ".join("?" * len(batch))
            yield from self.query(f"{sql} IN ({marks}) {tail}", batch)

    def scan(self, sql: str, *, tail: str = "") -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `sql > ? tail`, whose first column is the ascending key compared.

        Read in short batches, so that a slow consumer holds no transaction open.
        """
        after: Any = 0
        while rows := self.query(f"{sql} > ? {tail} ORDER BY 1 LIMIT {LOOKUP_BATCH}", [after]):
            yield from rows
            after = rows[-1][0]


def catalog_damaged(path: Path, reason: str) -> IndexDamagedError:
    """Return the error for a catalog whose content makes no sense."""
    return IndexDamagedError(
        f"{path}: the catalog is damaged ({reason}).",
        hint=Hint(Action.REPAIR_INDEX, path=path.parent),
    )


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """A transaction, or a part of the one that is open."""
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
        raise catalog_damaged(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "readonly" in text or "read-only" in text:
            raise StorageError(f"{path}: cannot be written ({text}).") from error
        if "full" in text or "disk I/O" in text or "unable to open" in text:
            raise StorageError(f"{path}: {text}.", hint=Hint(Action.MAKE_ROOM)) from error
        if "locked" in text or "busy" in text:
            raise StorageError(
                f"{path}: busy for too long ({text}).", hint=Hint(Action.TRY_AGAIN)
            ) from error
        raise catalog_damaged(path, text) from error


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `values` in lists of `LOOKUP_BATCH`, the last one perhaps shorter."""
    source = iter(values)
    while batch := list(islice(source, LOOKUP_BATCH)):
        yield batch


def _check_local_disk(folder: Path) -> None:
    """Raise `StorageError` if `folder` is on a network file system, unless that is allowed.

    SQLite's write-ahead log does not work over a network.
    """
    if os.environ.get(_ALLOW_NETWORK) == "allow":
        return
    name = file_system_of(folder)
    if is_network_file_system(name):
        raise StorageError(
            f"{folder}: on a network folder ({name}), where SQLite's catalog may be damaged when "
            f"two machines use it.",
            hint=Hint(Action.USE_LOCAL_DISK, variable=_ALLOW_NETWORK),
        )


def _open_mode(path: Path, write: bool) -> str:
    """Return SQLite's mode for the file: immutable in a folder that this process cannot write to,
    where SQLite could make no files for locks and logs.
    """
    if write or os.access(path.parent, os.W_OK):
        return "mode=rw"
    return "mode=ro" if wal_path(path).exists() else _IMMUTABLE


def _file_state(path: Path) -> tuple[object, ...]:
    """Return what differs after a change of the file; a process that writes has a log beside it."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns, wal_path(path).exists()
