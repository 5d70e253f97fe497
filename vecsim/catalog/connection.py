"""One connection to one SQLite file: opening, transactions, and errors translated."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Literal, TypeAlias, TypeVar

from vecsim.catalog import migrations
from vecsim.catalog.migrations import Schema
from vecsim.catalog.opening import (
    CREATE,
    IMMUTABLE,
    StatementEndedError,
    catalog_damaged,
    check_local_disk,
    check_own_files,
    connect,
    file_state,
    open_mode,
    transaction,
    translated,
)
from vecsim.catalog.schema_check import checked_migrations
from vecsim.catalog.table import Table
from vecsim.catalog.work_limit import Spent, WorkLimit
from vecsim.contained import ContainedPath
from vecsim.errors import IndexMissingError, StorageError
from vecsim.hints import Action, Hint

# SQLite takes at most 32,766 variables in a statement; short lists keep statements cached.
LOOKUP_BATCH = 500
_FIRST_ROWID = -(1 << 63)

T = TypeVar("T")

Existing: TypeAlias = Literal["fail", "ignore", "update"]


class Connection:
    """SQL in, rows out, errors as vecsim's own. Not for sharing between threads."""

    def __init__(
        self,
        path: ContainedPath,
        connection: sqlite3.Connection,
        schema: Schema,
        *,
        immutable: bool = False,
    ) -> None:
        self.path = path
        self.schema = schema
        # SQLite neither locks a file that is opened as immutable nor notices that it changes.
        self._expected_state = file_state(path) if immutable else None
        self._connection = connection
        self._work = WorkLimit(path, connection)
        self._writes = False
        self._columns: dict[str, frozenset[str]] = {}

    @classmethod
    def create(cls, path: ContainedPath, schema: Schema | None = None) -> Connection:
        """Create a file with the tables of `schema`, by default the catalog's.

        The caller holds the writer's lock. Raises `StorageError`.
        """
        schema = schema or migrations.CATALOG
        check_local_disk(path.parent)
        with translated(path):
            self = cls(path, connect(path, CREATE), schema)
            self._prepare_writing()
            schema.apply(self._connection)
            return self

    @classmethod
    def open(
        cls,
        path: ContainedPath,
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
        if not path.has_file():
            raise IndexMissingError(f"{path}: no such catalog.")
        check_local_disk(path.parent)
        check_own_files(path, write=write)
        before = path.stat()
        mode = open_mode(path, write)
        with translated(path):
            connection = connect(path, mode, shared=shared)
        immutable = mode == IMMUTABLE
        self = cls(path, connection, schema or migrations.CATALOG, immutable=immutable)
        try:
            with self._errors():
                self._check_format(write)
            # SQLite opens the files by their names.
            check_own_files(path, write=write)
            if not os.path.samestat(before, path.stat()):
                raise StorageError(f"{path}: was replaced while it was opened. Try again.")
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
        self._work.note_unsaved(self.schema.writer_cache_kb << 10)

    def _check_format(self, write: bool) -> None:
        """Refuse a file of a newer format or another schema; bring an older one up to date when
        writing.

        Readers take an older file as it is: columns that it lacks have their defaults.
        """
        self._connection.execute("PRAGMA query_only=ON")
        with transaction(self._connection, "BEGIN"):
            applied = checked_migrations(self._connection, self.schema, self.path)
        if write:
            self._connection.execute("PRAGMA query_only=OFF")
            self._prepare_writing()
            if self.schema.migrations.keys() - applied:
                self._work.begin()
                self.schema.apply(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when the block ends; for reads, one state of the file."""
        # BEGIN IMMEDIATE takes the write lock at once, for which SQLite waits. A transaction that
        # has read and then begins to write does not wait at all: not for a reader that recovers the
        # log, nor for a killed writer of which the system has released only some locks.
        begin = "BEGIN IMMEDIATE" if self._writes else "BEGIN"
        with self._errors(), transaction(self._connection, begin):
            yield

    def allow_any_work(self) -> None:
        """Allow statements of any length, for a connection with temporary tables."""
        self._work.lift()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with translated(self.path):
                yield
        except StatementEndedError as error:
            if self._work.exceeded:
                raise catalog_damaged(self.path, "reading it does not end") from error
            # A signal: its handler raised an exception within SQLite, which cannot pass it on.
            raise KeyboardInterrupt from error

    def query(
        self, sql: str, values: Sequence[Any] = (), *, spent: Spent | None = None
    ) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows. `spent`: by statements that read other rows."""
        self._work.begin(spent or Spent())
        with self._errors():
            rows = self._work.fetch(self._connection.execute(sql, values), self._check_rows)
        if self._expected_state is not None and file_state(self.path) != self._expected_state:
            raise StorageError(
                f"{self.path}: changed while it was read, by a process whose locks cannot be seen "
                f"from here.",
                hint=Hint(Action.WAIT_OR_GET_PERMISSION),
            )
        if self._work.is_check_due():
            self._check_rows()
        return rows

    def _check_rows(self) -> None:
        """Read all rows once. Raises `IndexDamagedError` where those of a table hold more than the
        whole file, since they share their bytes.
        """
        with self._work.checking():
            for table in self.schema.tables:
                if columns := self.columns_of(table):
                    selected = table.selected(columns)
                    sql = f"SELECT rowid, {selected} FROM {table.name} WHERE rowid"
                    for _ in self.scan(sql, after=_FIRST_ROWID):
                        pass

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement that writes; return how many rows it changed."""
        self._work.begin()
        with self._errors():
            return self._connection.execute(sql, values).rowcount

    def change_many(self, sql: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> int:
        """Run one statement that writes for each of `rows`; return how many rows it changed."""
        with self._errors():
            # SQLite's count is -1 where there are no rows at all.
            return max(0, self._connection.executemany(sql, self._one_by_one(rows)).rowcount)

    def _one_by_one(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield the parameters of a statement, each run of which has its own limit."""
        for row in rows:
            self._work.begin()
            yield row

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

    def vacuum(self) -> None:
        """Give free pages back to the disk.

        Raises `IndexDamagedError` where a page is used twice: its content would be written twice.
        """
        for (text,) in self.query("PRAGMA quick_check(1)"):
            if text != "ok":
                raise catalog_damaged(self.path, str(text))
        self.query("VACUUM")

    def columns_of(self, table: Table) -> frozenset[str]:
        """Return the names of the columns that a table has in this file; none without the table."""
        if table.name not in self._columns:
            rows = self.query(f"PRAGMA table_info({table.name})")
            self._columns[table.name] = frozenset(str(row[1]) for row in rows)
        return self._columns[table.name]

    def query_batches(
        self, sql: str, values: Iterable[Any], *, tail: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `sql IN (…) tail` for any number of `values`, each of them once."""
        return chain.from_iterable(self.row_batches(sql, values, tail=tail))

    def row_batches(self, sql: str, values: Iterable[Any], *, tail: str = "") -> Iterator[Any]:
        """Yield the same rows as lists of tuples."""
        spent = Spent()
        for batch in batches(dict.fromkeys(values)):
            marks = ", ".join("?" * len(batch))
            rows = self.query(f"{sql} IN ({marks}) {tail}", batch, spent=spent)
            spent = self._work.spent
            yield rows

    def scan(self, sql: str, *, tail: str = "", after: Any = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `sql > ? tail`, whose first column is the ascending key compared.

        Read in short batches, so that a slow consumer holds no transaction open.
        """
        spent = Spent()
        statement = f"{sql} > ? {tail} ORDER BY 1 LIMIT {LOOKUP_BATCH}"
        while rows := self.query(statement, [after], spent=spent):
            spent = self._work.spent
            for row in rows:
                if not row[0] > after:  # a damaged tree can lead to the same rows again and again
                    raise catalog_damaged(self.path, "its rows are not in order")
                after = row[0]
                yield row


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `values` in lists of `LOOKUP_BATCH`, the last one perhaps shorter."""
    source = iter(values)
    while batch := list(islice(source, LOOKUP_BATCH)):
        yield batch
