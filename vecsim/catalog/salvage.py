"""Makes a new catalog of what can still be read of a damaged one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from vecsim.catalog.checksums import SUMMED, is_as_written, row_checksum
from vecsim.catalog.connection import Connection
from vecsim.catalog.log import log_of
from vecsim.files import scratch_folder

_BATCH = 500
# Rows that are looked for one by one in a gap before what follows is given up: a page of SQLite's
# tree that is lost hides a few thousand.
_GAP = 20_000

_Row = tuple[Any, ...]


def salvage(damaged: Path, new: Path) -> int:
    """Write a catalog at `new` with every row of `damaged` that is as it was written.

    Returns the number of rows that can be read but are not. The damaged file stays as it is.
    """
    with scratch_folder(damaged) as folder:
        readable = _most_readable(damaged, folder)
        changed = 0
        target = Connection.create(new)
        try:
            if readable is not None:
                with closing(_open(readable)) as source, target.transaction():
                    for table in SUMMED:
                        changed += _copy(source, target, table)
            with target.transaction():
                _mend_counters(target)
        finally:
            target.close()
    return changed


def _most_readable(damaged: Path, folder: Path) -> Path | None:
    """A copy of the catalog with its log; with another first page, if that opens more of it.

    The first page tells where the tables begin. In catalogs of one format it tells the same, so
    that a new one's serves.
    """
    best, most = None, 0
    pages: list[bytes | None] = [None, *_first_pages(folder)]
    for number, page in enumerate(pages):
        copy = folder / f"{number}.db"
        shutil.copyfile(damaged, copy)
        if log_of(damaged).exists():
            shutil.copyfile(log_of(damaged), log_of(copy))
        if page is not None:
            with copy.open("r+b") as file:
                file.write(page)
        found = _readable_tables(copy)
        if found > most:
            best, most = copy, found
    return best


def _first_pages(folder: Path) -> Iterator[bytes]:
    """The first page of a new catalog, and of one that was compacted."""
    path = folder / "empty.db"
    for statement in ("SELECT 1", "VACUUM"):
        connection = Connection.open(path, write=True) if path.exists() else Connection.create(path)
        connection.query(statement)
        connection.close()
        data = path.read_bytes()
        yield data[: int.from_bytes(data[16:18], "big")]


def _readable_tables(path: Path) -> int:
    """In how many tables a first or last row is as it was written."""
    count = 0
    try:
        with closing(_open(path)) as source:
            for table in SUMMED:
                for order in ("", "DESC"):
                    try:
                        tail = f"ORDER BY rowid {order} LIMIT 1"
                        rows = source.execute(f"{_selection(source, table)} {tail}").fetchall()
                    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
                        continue
                    count += any(is_as_written(table, row[1:-2], row[-2]) for row in rows)
    except (sqlite3.Error, UnicodeDecodeError):
        pass
    return count


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute(
            "PRAGMA writable_schema=ON"
        )  # a schema that is wrong in part still opens
        connection.execute("PRAGMA cell_size_check=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _selection(source: sqlite3.Connection, table: str) -> str:
    """A query of rows as (rowid, columns…, checksum, removed generation)."""
    present = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    checksum = "checksum" if "checksum" in present else "NULL"
    removed = "removed_generation" if table == "images" else "NULL"
    # Text that a later version added is empty in an older catalog.
    names = ", ".join(name if name in present else "''" for name in SUMMED[table])
    return f"SELECT rowid, {names}, {checksum}, {removed} FROM {table} NOT INDEXED"


def _copy(source: sqlite3.Connection, target: Connection, table: str) -> int:
    """Copy the rows of a table that are as written; returns how many are not."""
    columns = SUMMED[table]
    names = [*columns, "checksum"] + (["removed_generation"] if table == "images" else [])
    marks = ", ".join("?" * len(names))
    # Of a row that two pages hold, the first is taken; the counters are there already.
    how = "REPLACE" if table == "counters" else "IGNORE"
    statement = f"INSERT OR {how} INTO {table} ({', '.join(names)}) VALUES ({marks})"
    changed = 0
    for _, *values, checksum, removed in _readable_rows(source, table):
        if not is_as_written(table, values, checksum) or not _is_generation(removed):
            changed += 1
            continue
        row = [*values, row_checksum(table, values)]
        target.query(statement, [*row, removed] if table == "images" else row)
    return changed


def _is_generation(removed: object) -> bool:
    return removed is None or (isinstance(removed, int) and removed > 0)


def _readable_rows(source: sqlite3.Connection, table: str) -> Iterator[_Row]:
    """Every row that can be read: from the front, from the back, and one by one in between."""
    try:
        select = _selection(source, table)
    except sqlite3.Error:
        return

    def rows(tail: str) -> list[_Row] | None:
        try:
            return source.execute(f"{select} {tail}").fetchall()
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            return None

    front = 0
    limit = _BATCH
    while True:
        found = rows(f"WHERE rowid > {front} ORDER BY rowid LIMIT {limit}")
        if found is None and limit > 1:
            limit = 1
            continue
        if found == []:
            return
        if found is None or found[-1][0] <= front:
            break
        yield from found
        front = found[-1][0]
    back, behind = None, []
    while found := rows(
        f"WHERE rowid > {front} "
        + (f"AND rowid < {back} " if back is not None else "")
        + "ORDER BY rowid DESC LIMIT 1"
    ):
        if back is not None and found[0][0] >= back:
            break
        back = found[0][0]
        behind.append(found[0])
        if len(behind) >= _BATCH:
            yield from behind
            behind = []
    yield from behind
    at, missed = front + 1, 0
    while missed < _GAP and (back is None or at < back):
        found = rows(f"WHERE rowid = {at}")
        missed = 0 if found else missed + 1
        yield from found or []
        at += 1


def _mend_counters(target: Connection) -> None:
    """Let no key and no generation be given twice."""
    least = {
        "generation": "SELECT max(added_generation) AS g FROM images UNION ALL "
        "SELECT max(removed_generation) FROM images UNION ALL "
        "SELECT max(added_generation) FROM segments",
        "next_key": "SELECT max(key) + 1 AS g FROM images",
    }
    for name, query in least.items():
        used = target.query(f"SELECT max(g) FROM ({query})")[0][0] or 0
        value = target.query("SELECT value FROM counters WHERE name = ?", [name])[0][0]
        value = max(value, used)
        target.query(
            "UPDATE counters SET value = ?, checksum = ? WHERE name = ?",
            [value, row_checksum("counters", [name, value]), name],
        )
