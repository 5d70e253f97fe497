"""Is a catalog what was written? SQLite's own check, each row's checksum, and numbers that fit."""

from __future__ import annotations

from collections.abc import Iterator

from vecsim.catalog.checksums import SUMMED, is_as_written
from vecsim.catalog.connection import Connection

# Of each table at most so many changed rows are named.
_NAMED = 5

# Numbers that cannot be, whatever the checksums say: rows of the future, keys to be given twice.
_IMPOSSIBLE = {
    "a row is of a later generation than the catalog": (
        "SELECT count(*) FROM (SELECT max(added_generation) AS newest FROM images UNION ALL "
        "SELECT max(removed_generation) FROM images UNION ALL "
        "SELECT max(added_generation) FROM segments) "
        "WHERE newest > (SELECT value FROM counters WHERE name = 'generation')"
    ),
    "the next key is in use already": (
        "SELECT (SELECT max(key) FROM images) >= "
        "(SELECT value FROM counters WHERE name = 'next_key')"
    ),
    "an image was removed before it was added": (
        "SELECT count(*) FROM images WHERE removed_generation < added_generation"
    ),
}


def problems(sql: Connection) -> Iterator[str]:
    """What is wrong with the catalog, for people. Raises `IndexDamagedError` where that ends it."""
    for (text,) in sql.query("PRAGMA integrity_check"):
        if text != "ok":
            yield str(text)
    for table in SUMMED:
        changed = list(_changed_rows(sql, table))
        for name in changed[:_NAMED]:
            yield f"{table}: the row of {name} is not what was written"
        if len(changed) > _NAMED:
            yield f"{table}: so are {len(changed) - _NAMED:,} more rows"
    for what, query in _IMPOSSIBLE.items():
        if sql.query(query)[0][0]:
            yield what


def _changed_rows(sql: Connection, table: str) -> Iterator[str]:
    """The first columns of rows that do not have their own checksum."""
    columns = SUMMED[table]
    if "checksum" not in {row[1] for row in sql.query(f"PRAGMA table_info({table})")}:
        return  # a catalog of an older format, that is only read
    select = f"SELECT rowid, {', '.join(columns)}, checksum FROM {table} WHERE rowid"
    for _, *values, checksum in sql.scan(select):
        if not is_as_written(table, values, checksum):
            yield str(values[0])
