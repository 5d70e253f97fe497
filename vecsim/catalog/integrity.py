"""Finds what is damaged in a catalog, and makes a new one of what can still be read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from vecsim.catalog import migrations, tables
from vecsim.catalog.connection import Connection, Existing
from vecsim.catalog.decisions import find_rows as find_decisions
from vecsim.catalog.opening import connect
from vecsim.catalog.readable_rows import readable_rows
from vecsim.catalog.row_checks import is_sound
from vecsim.catalog.schema_check import is_known_table, read_objects
from vecsim.catalog.table import Table
from vecsim.catalog.wal import wal_path
from vecsim.catalog.work_limit import Spent, WorkLimit, byte_count
from vecsim.contained import ContainedPath
from vecsim.contained.writes import scratch_folder
from vecsim.errors import IndexDamagedError

# At most so many damaged rows of a table are named.
_MAX_NAMED = 5

# Numbers that no sound catalog has, whatever the checksums say.
_CONTRADICTIONS = {
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

_BATCH = 500
_MAX_EMPTY = 1 << 20  # bytes of a catalog without rows
# The copy of a damaged catalog that keeps its own first page.
_UNCHANGED = "unchanged.db"


def check_integrity(sql: Connection) -> Iterator[str]:
    """Describe, for people, what is damaged in a catalog: structure, rows, contradictions.

    Raises `IndexDamagedError` where the rest cannot be read.
    """
    for (text,) in sql.query("PRAGMA integrity_check"):
        if text != "ok":
            yield str(text)
    for table in sql.schema.tables:
        damaged = list(_damaged_rows(sql, table))
        for key in damaged[:_MAX_NAMED]:
            yield f"{table.name}: the row of {key} is damaged (its checksum is wrong)"
        if len(damaged) > _MAX_NAMED:
            yield f"{table.name}: so are {len(damaged) - _MAX_NAMED:,} more rows"
    for what, query in _CONTRADICTIONS.items():
        if sql.query(query)[0][0]:
            yield what


def _damaged_rows(sql: Connection, table: Table) -> Iterator[str]:
    """Yield the primary keys of rows that do not have their own checksum."""
    present = sql.columns_of(table)
    if "checksum" not in present:
        return  # a catalog of format 1 or 2 that is only read, or a table of a later format
    select = f"SELECT rowid, {table.selected(present)} FROM {table.name} WHERE rowid"
    for _, *values in sql.scan(select):
        row = table.row(values)
        if not is_sound(table, row):
            yield str(row[table.key])


def salvage(damaged: ContainedPath, new: ContainedPath) -> None:
    """Write a catalog at `new` with every row of `damaged` that has its own checksum.

    The damaged file stays as it is. Raises `StorageError`.
    """
    with scratch_folder(damaged) as folder:
        readable = _most_readable(damaged, folder)
        target = Connection.create(new)
        try:
            if readable is not None:
                with closing(_open(readable)) as source, target.transaction():
                    for table in target.schema.tables:
                        _copy_intact_rows(source, readable, target, table)
                if readable.name != _UNCHANGED:
                    # The first page is that of another catalog, in which a table that a migration
                    # added begins on another page.
                    with target.transaction():
                        rows = list(find_decisions(readable))
                        target.insert(tables.DECISIONS, rows, existing="ignore")
            with target.transaction():
                _raise_counters(target)
        finally:
            target.close()


def _most_readable(damaged: ContainedPath, folder: ContainedPath) -> ContainedPath | None:
    """Return a copy of the catalog with its log, or None if no table of it can be read.

    The first page says on which pages the tables begin. It may be damaged; that of a new catalog
    says the same, because all catalogs are made by the same migrations. The copy has the first page
    with which most tables can be read.
    """
    best, most = None, 0
    pages: list[bytes | None] = [None, *_first_pages(folder)]
    for number, page in enumerate(pages):
        copy = folder / (f"{number}.db" if page is not None else _UNCHANGED)
        _copy(damaged, copy, page)
        if wal_path(damaged).has_file():
            _copy(wal_path(damaged), wal_path(copy))
        found = _readable_tables(copy)
        if found > most:
            best, most = copy, found
    return best


def _copy(file: ContainedPath, new: ContainedPath, first_page: bytes | None = None) -> None:
    with file.open() as source, new.open("xb") as target:
        if first_page is not None:
            # Bytes 28 to 31 are the number of pages: SQLite reads none of those behind them.
            count = file.stat().st_size // len(first_page)
            target.write(first_page[:28] + count.to_bytes(4, "big") + first_page[32:])
            source.seek(len(first_page))
        shutil.copyfileobj(source, target)


def _first_pages(folder: ContainedPath) -> Iterator[bytes]:
    """Yield the first page of a new catalog, and of one that was compacted."""
    path = folder / "empty.db"
    for statement in ("SELECT 1", "VACUUM"):
        connection = Connection.open(path, write=True) if path.exists() else Connection.create(path)
        connection.query(statement)
        connection.close()
        data = path.read_bytes(_MAX_EMPTY)
        yield data[: int.from_bytes(data[16:18], "big")]


def _readable_tables(path: ContainedPath) -> int:
    """Count the first and last rows of all tables that can be read and are intact."""
    count = 0
    try:
        with closing(_open(path)) as source:
            for table in migrations.CATALOG.tables:
                for order in ("", "DESC"):
                    try:
                        tail = f"ORDER BY rowid {order} LIMIT 1"
                        rows = source.execute(f"{_select(source, table)} {tail}").fetchall()
                    except (sqlite3.Error, ValueError, OverflowError):
                        continue
                    count += any(is_sound(table, table.row(values)) for _, *values in rows)
    except (sqlite3.Error, ValueError):
        pass
    return count


def _open(path: ContainedPath) -> sqlite3.Connection:
    connection = connect(path, "mode=rw", defensive=False)
    try:
        # A schema that is wrong in part still opens.
        connection.execute("PRAGMA writable_schema=ON")
        WorkLimit(path, connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _select(source: sqlite3.Connection, table: Table) -> str:
    """Return a query of whole rows, each after its rowid. Raises sqlite3.Error, ValueError."""
    if not is_known_table(read_objects(source), migrations.CATALOG, table.name):
        raise ValueError(f"{table.name} is no table of vecsim")
    present = {str(row[1]) for row in source.execute(f"PRAGMA table_info({table.name})")}
    return f"SELECT rowid, {table.selected(present)} FROM {table.name} NOT INDEXED"


def _copy_intact_rows(
    source: sqlite3.Connection, path: ContainedPath, target: Connection, table: Table
) -> None:
    # Two damaged pages may both contain a row: the first one counts. A new catalog has counters.
    existing: Existing = "update" if table.name == "counters" else "ignore"
    intact: list[dict[str, Any]] = []
    for row in _readable_rows(source, path, table):
        if is_sound(table, row) and _is_generation(row.get("removed_generation")):
            del row["checksum"]
            intact.append(row)
        if len(intact) == _BATCH:
            target.insert(table, intact, existing=existing)
            intact = []
    target.insert(table, intact, existing=existing)


def _is_generation(removed: object) -> bool:
    return removed is None or (isinstance(removed, int) and removed > 0)


def _readable_rows(
    source: sqlite3.Connection, path: ContainedPath, table: Table
) -> Iterator[dict[str, Any]]:
    """Yield every row that can be read, until they are more than the file at `path` can hold."""
    try:
        select = _select(source, table)
        ((pages,),) = source.execute("PRAGMA page_count")
        ((page_size,),) = source.execute("PRAGMA page_size")
    except (sqlite3.Error, ValueError):
        return
    work = WorkLimit(path, source)

    def rows(tail: str, values: tuple[int, ...]) -> list[tuple[Any, ...]] | None:
        work.begin(Spent(calls=work.spent.calls))
        try:
            return work.fetch(source.execute(f"{select} {tail}", values))
        except (sqlite3.Error, UnicodeDecodeError, OverflowError, IndexDamagedError):
            return None

    total = 0
    for _, *values in readable_rows(rows, pages * page_size):
        total += byte_count(values)
        if not work.can_be_read(total):
            return
        yield table.row(values)


def _raise_counters(target: Connection) -> None:
    """Raise the counters above every key and generation in use, so that none is used twice."""
    in_use = {
        "generation": "SELECT max(added_generation) AS g FROM images UNION ALL "
        "SELECT max(removed_generation) FROM images UNION ALL "
        "SELECT max(added_generation) FROM segments",
        "next_key": "SELECT max(key) + 1 AS g FROM images",
    }
    for name, query in in_use.items():
        used = target.query(f"SELECT max(g) FROM ({query})")[0][0] or 0
        value = target.query("SELECT value FROM counters WHERE name = ?", [name])[0][0]
        row = {"name": name, "value": max(value, used)}
        target.insert(target.schema.table("counters"), [row], existing="update")
