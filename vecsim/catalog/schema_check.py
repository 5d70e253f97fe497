"""Compares the schema of an SQLite file with the one that its format has, before it is queried.

A schema can hold code: a view can be a query that never ends, and a trigger can change other rows
when one is written. The schema of each format of vecsim is known exactly, so any other is refused.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache

from vecsim.catalog.migrations import Migration, Schema
from vecsim.catalog.opening import catalog_damaged
from vecsim.catalog.work_limit import byte_count
from vecsim.contained import ContainedPath
from vecsim.errors import IndexDamagedError, IndexFormatError
from vecsim.hints import Action, Hint

# One object of a schema: type, name, table, and the statement that made it, if there was one.
SchemaObject = tuple[str, str, str, str]

MIGRATIONS = "_sqlite_migrations"

# An index of this package has about twenty objects.
_MOST_OBJECTS = 200
_MOST_BYTES = 1 << 20

# The table of migrations is made by sqlite-utils, whose spelling is its own.
_WORDS_OF_MIGRATIONS = frozenset(
    f"CREATE TABLE UNIQUE INDEX IF NOT EXISTS ON INTEGER TEXT PRIMARY KEY NULL id migration_set "
    f"name applied_at {MIGRATIONS} idx_{MIGRATIONS}_migration_set_name".split()
)
_PUNCTUATION = re.compile(r"[\s\w\"\[\]`(),]*")

# Digests of the schemas of the formats, by the name of the last migration: making the schema anew
# takes SQLite two milliseconds. `tests/security/test_catalogs.py` compares them.
_KNOWN = {
    ("vecsim", "0001_initial"): "46600f437a339d95377f31e417ad80d9",
    ("vecsim", "0002_warnings"): "345c6ba2ae7e7a47823330f3866ea185",
    ("vecsim", "0003_checksums"): "d1c45db5279bc673e7cd21d1a41d08b0",
    ("vecsim", "0004_missing"): "0b94e557fa4837f5cc8a9465d36efc4f",
    ("vecsim", "0005_sources"): "e4f131818cb36bdf62ff9fb28674ff3d",
    ("vecsim", "0006_decisions"): "e1e6b03207a44805e633b9216c919321",
    ("vecsim", "0007_entropy"): "a9fda14bd430d978fbe5fe8887f3002c",
    ("vecsim", "0008_unlisted"): "ed432eb0d93bd41983f0bb21c02a81e2",
    ("vecsim-thumbnails", "0001_initial"): "7b8e1c8582956728aab16656aace9451",
    ("vecsim-thumbnails", "0002_checksum"): "448ee43664d15c4fd3016d524144e2a3",
}


def checked_migrations(
    connection: sqlite3.Connection, schema: Schema, path: ContainedPath
) -> set[str]:
    """Return the migrations that the file at `path` has had, if its schema is theirs to the letter.

    Raises `IndexDamagedError`, `IndexFormatError`, sqlite3.Error.
    """
    try:
        objects = read_objects(connection)
    except ValueError as error:
        raise catalog_damaged(path, str(error)) from error
    applied = schema.applied(connection) if has_migrations(objects) else set()
    if not applied:
        raise IndexDamagedError(f"{path}: not a vecsim catalog.")
    if newer := applied - schema.migrations.keys():
        raise IndexFormatError(
            f"{path}: written by a newer vecsim (format {max(newer)}).", hint=Hint(Action.UPGRADE)
        )
    if damage := schema_damage(objects, schema, applied):
        raise catalog_damaged(path, damage)
    return applied


def read_objects(connection: sqlite3.Connection) -> list[SchemaObject]:
    """Return the objects of a file's schema, sorted; nothing of them is run.

    Raises sqlite3.Error, ValueError for more and longer ones than any file of vecsim has.
    """
    rows, size = [], 0
    for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        rows.append(row)
        size += byte_count(row)
        if len(rows) > _MOST_OBJECTS or size > _MOST_BYTES:
            raise ValueError("its schema is larger than any of vecsim")
    return sorted(
        (str(kind), str(name), str(table), _one_line(str(sql or "")))
        for kind, name, table, sql in rows
    )


def has_migrations(objects: Iterable[SchemaObject]) -> bool:
    """Return whether a schema has the table of migrations, and it can be asked without harm."""
    own = [each for each in objects if MIGRATIONS in each[1:3]]
    return any(each[:2] == ("table", MIGRATIONS) for each in own) and all(
        map(_is_of_migrations, own)
    )


def schema_damage(objects: Sequence[SchemaObject], schema: Schema, applied: Iterable[str]) -> str:
    """Describe, for people, how a schema differs from that of these migrations; "" if it does not.

    `objects`: as `read_objects` returns them. Raises sqlite3.Error if no file had these migrations.
    """
    foreign = [each for each in objects if each[2] == MIGRATIONS and not _is_of_migrations(each)]
    own = [each for each in objects if each[2] != MIGRATIONS]
    names = [name for name in schema.migrations if name in set(applied)]
    if not foreign and _digest(own) == _KNOWN.get((schema.name, names[-1])):
        return ""
    known = made_by(schema, names)
    foreign += [each for each in own if each not in known or own.count(each) > 1]
    if foreign:
        return f"its schema has the {_described(min(foreign, key=_rank))}, which is not vecsim's"
    missing = [each for each in known if each not in own]
    return f"its schema lacks the {_described(missing[0])}" if missing else ""


def is_known_table(objects: Iterable[SchemaObject], schema: Schema, table: str) -> bool:
    """Return whether `table` is in a schema as some format made it, and only once."""
    found = [each for each in objects if each[1].casefold() == table.casefold()]
    return len(found) == 1 and found[0] in _tables_of(schema.name, tuple(schema.migrations.items()))


@cache
def _tables_of(name: str, migrations: tuple[tuple[str, Migration], ...]) -> frozenset[SchemaObject]:
    """Return the tables of all formats."""
    schema = Schema(name, (), dict(migrations))
    names = list(schema.migrations)
    made = (made_by(schema, names[:count]) for count in range(1, len(names) + 1))
    return frozenset(each for objects in made for each in objects if each[0] == "table")


def made_by(schema: Schema, names: Iterable[str]) -> list[SchemaObject]:
    """Return the objects that these migrations make. Raises sqlite3.Error."""
    connection = sqlite3.connect(":memory:")
    try:
        for name in names:
            migration = schema.migrations[name]
            if isinstance(migration, str):
                connection.executescript(migration)
            else:
                migration(connection)
        return read_objects(connection)
    finally:
        connection.close()


@cache
def _one_line(sql: str) -> str:
    """Return a statement with single blanks, and none beside brackets and commas."""
    return re.sub(r" ?([(),]) ?", r"\1", " ".join(sql.split()))


def _is_of_migrations(each: SchemaObject) -> bool:
    kind, name, _, sql = each
    if kind == "index" and not sql:
        return name.startswith("sqlite_autoindex_")
    return (
        kind in ("table", "index")
        and _PUNCTUATION.fullmatch(sql) is not None
        and _WORDS_OF_MIGRATIONS.issuperset(re.findall(r"\w+", sql))
    )


def _digest(objects: Sequence[SchemaObject]) -> str:
    return hashlib.blake2b(repr(objects).encode(), digest_size=16).hexdigest()


def _rank(each: SchemaObject) -> tuple[int, str]:
    kind, name, _, _ = each
    order = ("trigger", "view", "table", "index")
    return order.index(kind) if kind in order else -1, name


def _described(each: SchemaObject) -> str:
    kind, name, table, _ = each
    of = f" of {table[:60]!r}" if kind in ("index", "trigger") else ""
    return f"{kind[:20]} {name[:60]!r}{of}"
