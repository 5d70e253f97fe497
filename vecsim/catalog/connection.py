"""One connection to one SQLite file: opening, transactions, and errors translated."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vecsim.catalog.database import Database, Migrations
from vecsim.catalog.schema import migrations as catalog_migrations
from vecsim.errors import (
    IndexDamagedError,
    IndexFormatError,
    IndexMissingError,
    StorageError,
)

# SQLite takes at most 32,766 variables in a statement; short lists keep statements cached.
LOOKUP_BATCH = 500


class Connection:
    """SQL in, rows out, errors as vecsim's own. Not for sharing between threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._db = Database(connection)

    @classmethod
    def create(cls, path: Path, migrations: Migrations = catalog_migrations) -> Connection:
        """Make a new file with the tables of `migrations`; the caller holds the writer's lock."""
        with _translated(path):
            self = cls(path, sqlite3.connect(path, timeout=60))
            self._configure_writer()
            migrations.apply(self._db)
            return self

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Migrations = catalog_migrations,
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
        with _translated(path):
            connection = sqlite3.connect(
                _uri(path, write), uri=True, timeout=60, check_same_thread=not shared
            )
            self = cls(path, connection)
            try:
                self._check_version(migrations, write)
            except BaseException:
                connection.close()
                raise
            return self

    def close(self) -> None:
        """Close the connection. The last one to close leaves a single file behind."""
        self._connection.close()

    def _configure_writer(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")

    def _check_version(self, migrations: Migrations, write: bool) -> None:
        """Refuse a file of the future; bring an older one up to date when writing."""
        if write:
            self._configure_writer()
        else:
            self._connection.execute("PRAGMA query_only=ON")
        known = {migration.name for migration in migrations._migrations}
        applied = {migration.name for migration in migrations.applied(self._db)}
        if not applied:
            raise IndexDamagedError(f"{self.path}: not a vecsim catalog.")
        if applied - known:
            raise IndexFormatError(
                f"{self.path}: written by a newer vecsim (format {max(applied)}). "
                f"Upgrade with: pip install --upgrade vecsim"
            )
        if known - applied:
            if not write:
                raise IndexFormatError(
                    f"{self.path}: written by an older vecsim. Bring it up to date once with: "
                    f"vecsim compact {self.path.parent}"
                )
            migrations.apply(self._db)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when the block ends; for reads, one state of the catalog."""
        with _translated(self.path), self._db.atomic():
            yield

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement that writes and return how many rows it touched."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

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
        f"{path}: the catalog is damaged ({what}). Restore the folder from a backup, or build the "
        f"index again."
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


def _uri(path: Path, write: bool) -> str:
    """How to open the file: a medium that nobody can write needs SQLite's immutable mode."""
    base = path.resolve().as_uri()
    if write or os.access(path.parent, os.W_OK):
        return f"{base}?mode=rw"
    return f"{base}?mode=ro" if Path(f"{path}-wal").exists() else f"{base}?immutable=1"
