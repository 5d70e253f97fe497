"""Numbered migrations of a file's tables, and sqlite-utils, which applies them.

Only what writes needs sqlite-utils, which takes a fifth of a second to import, and a second more
where pandas is installed: it imports that, if it can, to recognise values of its types, of which
vecsim stores none.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

_WITHOUT = "pandas"


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file's tables are: SQL scripts by the names of the migrations, in their order.

    `writer_cache_kb`: how much of the file a process that writes keeps in memory.
    """

    name: str
    scripts: Mapping[str, str]
    writer_cache_kb: int = 2_000

    def applied(self, connection: sqlite3.Connection) -> set[str]:
        """The names of the migrations that a file has had; none if it is none of ours."""
        there = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlite_migrations'"
        if not connection.execute(there).fetchone()[0]:
            return set()
        names = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"
        return {str(row[0]) for row in connection.execute(names, [self.name])}

    def apply(self, database: Database) -> None:
        """Run the migrations that a file has not had, each in a transaction."""
        from sqlite_utils.migrations import Migrations

        migrations = Migrations(self.name)
        for name, script in self.scripts.items():
            migrations(name=name)(_runner(script))
        migrations.apply(database)


def _runner(script: str) -> Any:
    def run(db: Database) -> None:
        db.executescript(script)

    return run


def writable(connection: sqlite3.Connection) -> Database:
    """The connection as sqlite-utils has it."""
    hidden = _WITHOUT not in sys.modules and "sqlite_utils" not in sys.modules
    if hidden:
        sys.modules[_WITHOUT] = None  # type: ignore[assignment]
    try:
        from sqlite_utils import Database
    finally:
        if hidden:
            del sys.modules[_WITHOUT]
    return Database(connection)
