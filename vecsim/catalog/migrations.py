"""The formats of the SQLite files: numbered migrations, applied in their order.

A migration is SQL or a function, and runs in one transaction with its record. Those that have been
released never change: a file may have had them long ago. To add a column, add a migration here and
the column in `vecsim.catalog.tables`; docs/index-format.md lists the steps.

New files are made by the same migrations, so that the tables of all files of a format begin on the
same pages: `salvage` relies on that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from vecsim.catalog import tables
from vecsim.catalog.table import Table

Migration: TypeAlias = str | Callable[[sqlite3.Connection], None]

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one kind of SQLite file and the migrations that make them, by name.

    `name`: of the set of migrations in the file. `writer_cache_kb`: memory for pages of the file in
    a process that writes.
    """

    name: str
    tables: tuple[Table, ...]
    migrations: Mapping[str, Migration]
    writer_cache_kb: int = 2_000

    def table(self, name: str) -> Table:
        """Return the table called `name`."""
        return next(table for table in self.tables if table.name == name)

    def applied(self, connection: sqlite3.Connection) -> set[str]:
        """Return the names of the migrations that a file has had. Raises sqlite3.Error."""
        # A text of an untrusted file can have megabytes, and those of many rows the same ones.
        names = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? AND length(name) < 100"
        return {str(row[0]) for row in connection.execute(names, [self.name])}

    def apply(self, connection: sqlite3.Connection) -> None:
        """Apply the migrations that a file has not had, all in one transaction.

        Nothing has happened if the process is killed meanwhile; the next writer begins again.
        """
        is_new = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        connection.execute("BEGIN IMMEDIATE")
        try:
            if is_new:
                self._make(connection)
            else:
                self._bring_up_to_date(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _make(self, connection: sqlite3.Connection) -> None:
        """Apply all migrations to an empty file, and record them, as sqlite-utils would."""
        for statement in _TABLE_OF_MIGRATIONS:
            connection.execute(statement)
        for number, (name, migration) in enumerate(self.migrations.items(), 1):
            if isinstance(migration, str):
                for statement in _statements(migration):
                    connection.execute(statement)
            else:
                migration(connection)
            record = (number, self.name, name, str(datetime.now(UTC)))
            connection.execute("INSERT INTO _sqlite_migrations VALUES (?, ?, ?, ?)", record)

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        """Apply the migrations that an older file has not had."""
        # Imported only here: it takes a fifth of a second, and longer where pandas is installed.
        from sqlite_utils import Database
        from sqlite_utils.migrations import Migrations

        migrations = Migrations(self.name)
        for name, migration in self.migrations.items():
            migrations(name=name)(_function(migration))
        migrations.apply(Database(connection, execute_plugins=False))


_TABLE_OF_MIGRATIONS = (
    'CREATE TABLE "_sqlite_migrations" (\n   "id" INTEGER PRIMARY KEY,\n   "migration_set" TEXT,\n'
    '   "name" TEXT,\n   "applied_at" TEXT\n)',
    'CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"\n'
    '    ON "_sqlite_migrations" ("migration_set", "name")',
)
"""Make the table in which sqlite-utils records migrations: its own statements, unchanged."""


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: SQLite runs one at a time inside a transaction."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _function(migration: Migration) -> Any:
    if isinstance(migration, str):
        return lambda database: database.executescript(migration)
    return lambda database: migration(database.conn)


def update_rows(
    connection: sqlite3.Connection,
    table: Table,
    change: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> None:
    """Set the columns of each row to what `change` returns for it, and renew its checksum.

    For migrations that fill a column. Damaged rows stay as they are, so that they remain known as
    damaged; `change` returns {} for rows that stay as they are.
    """
    present = {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table.name})")}
    select = (
        f"SELECT rowid, {table.selected(present)} FROM {table.name} "
        f"WHERE rowid > ? ORDER BY rowid LIMIT {_BATCH}"
    )
    after = 0
    while rows := connection.execute(select, [after]).fetchall():
        for rowid, *values in rows:
            if rowid <= after:  # a damaged tree can lead to the same rows again and again
                raise sqlite3.DatabaseError(f"the rows of {table.name} are not in order")
            after = rowid
            row = table.row(values)
            changed = dict(change(row)) if table.is_intact(row) else {}
            if not changed:
                continue
            changed["checksum"] = table.checksum({**row, **changed})
            columns = ", ".join(f"{name} = ?" for name in changed)
            sql = f"UPDATE {table.name} SET {columns} WHERE rowid = ?"
            connection.execute(sql, [*changed.values(), rowid])


_INITIAL = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters VALUES ('generation', 0), ('next_key', 1);
CREATE TABLE images (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    fields TEXT NOT NULL,
    final_url TEXT NOT NULL,
    http_status INTEGER,
    byte_count INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    format TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    added_at TEXT NOT NULL,
    added_generation INTEGER NOT NULL,
    removed_generation INTEGER
);
CREATE UNIQUE INDEX images_live_id ON images (id) WHERE removed_generation IS NULL;
CREATE INDEX images_removed ON images (id) WHERE removed_generation IS NOT NULL;
CREATE INDEX images_sha256 ON images (sha256) WHERE sha256 <> '';
CREATE INDEX images_added_at ON images (added_at);
CREATE TABLE failures (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    fields TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    http_status INTEGER,
    final_url TEXT,
    attempts INTEGER NOT NULL,
    last_try TEXT NOT NULL
);
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    vector_count INTEGER NOT NULL,
    first_key INTEGER NOT NULL,
    last_key INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    added_generation INTEGER NOT NULL
);
"""

_WARNINGS = """
ALTER TABLE images ADD COLUMN warnings TEXT NOT NULL DEFAULT '';
CREATE INDEX images_warnings ON images (key) WHERE warnings <> '';
"""

_CHECKSUMS = """
ALTER TABLE settings ADD COLUMN checksum INTEGER;
ALTER TABLE counters ADD COLUMN checksum INTEGER;
ALTER TABLE images ADD COLUMN checksum INTEGER;
ALTER TABLE failures ADD COLUMN checksum INTEGER;
ALTER TABLE segments ADD COLUMN checksum INTEGER;
"""

_MISSING = """
ALTER TABLE images ADD COLUMN missing_since TEXT;
CREATE INDEX images_missing ON images (key) WHERE missing_since IS NOT NULL;
"""

_SOURCES = """
CREATE TABLE sources (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL DEFAULT '',
    place TEXT NOT NULL DEFAULT '',
    began_at TEXT NOT NULL DEFAULT '',
    synced_from TEXT NOT NULL DEFAULT '',
    synced_at TEXT NOT NULL DEFAULT '',
    checksum INTEGER
);
CREATE UNIQUE INDEX sources_name ON sources (name);
CREATE TABLE owners (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL DEFAULT '',
    source INTEGER NOT NULL DEFAULT 0,
    url TEXT NOT NULL DEFAULT '',
    checksum INTEGER
);
CREATE UNIQUE INDEX owners_id ON owners (id, source);
"""

_DECISIONS = """
CREATE TABLE decisions (
    pair TEXT PRIMARY KEY,
    verdict TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    checksum INTEGER
);
"""

_ENTROPY = """
ALTER TABLE images ADD COLUMN entropy INTEGER;
CREATE INDEX images_uniform ON images (entropy) WHERE entropy <= 20;
"""

_UNLISTED = """
ALTER TABLE images ADD COLUMN unlisted INTEGER;
"""

CATALOG = Schema(
    "vecsim",
    (
        tables.SETTINGS,
        tables.COUNTERS,
        tables.IMAGES,
        tables.FAILURES,
        tables.SEGMENTS,
        tables.SOURCES,
        tables.OWNERS,
        tables.DECISIONS,
    ),
    {
        "0001_initial": _INITIAL,
        "0002_warnings": _WARNINGS,
        "0003_checksums": _CHECKSUMS,
        "0004_missing": _MISSING,
        "0005_sources": _SOURCES,
        "0006_decisions": _DECISIONS,
        "0007_entropy": _ENTROPY,
        "0008_unlisted": _UNLISTED,
    },
    # Ids and hashes come in no order: a commit of 4,096 rows touches a page of each index for each.
    writer_cache_kb=16_384,
)

THUMBNAILS = Schema(
    "vecsim-thumbnails",
    (tables.THUMBNAILS,),
    {
        "0001_initial": "CREATE TABLE thumbnails (key INTEGER PRIMARY KEY, webp BLOB NOT NULL)",
        "0002_checksum": "ALTER TABLE thumbnails ADD COLUMN checksum INTEGER",
    },
)
