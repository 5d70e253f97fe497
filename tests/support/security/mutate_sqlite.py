"""Changes SQLite files and their logs: pages, rows, schema, with checksums that fit or not."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.catalog.migrations import CATALOG, THUMBNAILS
from vecsim.catalog.wal import _advance

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 31, (1 << 32) - 1, (1 << 63) - 1)

# An earlier change may have made the table a view without end.
MOST_ROWS = 1_000

# Values that SQLite keeps in any column.
VALUES: tuple[Any, ...] = (
    None,
    0,
    -1,
    1,
    7,
    (1 << 62),
    (1 << 63) - 1,
    -(1 << 63),
    1.5,
    float("inf"),
    "",
    "x\0y",
    "\x1b]0;title\x07",
    "../../victim/bashrc",
    "9" * 5_000,
    "[" * 20_000,
    '{"a": {"b": [1, null]}}',
    '{"id": 1}',
    "[]",
    b"",
    b"\xff\xfe\0",
    "2026-01-01T00:00:00",
)

SCHEMA_CHANGES = (
    "CREATE TRIGGER t AFTER UPDATE ON counters BEGIN UPDATE images SET removed_generation = 1; END",
    "CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM segments; END",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TABLE extra (a PRIMARY KEY) WITHOUT ROWID",
    "CREATE INDEX extra ON images (lower(url))",
    "CREATE VIRTUAL TABLE extra USING fts5(a)",
    "ALTER TABLE images ADD COLUMN extra AS (randomblob(1000000000))",
    "ALTER TABLE images RENAME TO images_real",
    "ALTER TABLE segments RENAME COLUMN name TO other",
    "DROP TABLE failures",
    "DROP INDEX images_live_id",
    "DELETE FROM _sqlite_migrations WHERE name > '0003'",
    "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('vecsim', '9999_future')",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA auto_vacuum = FULL; VACUUM",
    "PRAGMA page_size = 512; VACUUM",
    "PRAGMA user_version = -1",
    "ANALYZE",
)

ENDLESS = (
    "CREATE VIEW {table} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT {columns} FROM n"
)


def connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


def change_page(file: Path, chance: random.Random) -> str:
    """Set fields of an SQLite file: of its header, or of pages and cells of its trees."""
    data = bytearray(file.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    size = 65_536 if size == 1 else max(size, 512)
    for _ in range(chance.choice((1, 1, 2, 5))):
        if chance.random() < 0.2:
            place = chance.choice((16, 18, 19, 20, 21, 24, 28, 32, 36, 40, 44, 52, 56, 64, 92, 96))
            width = 4 if place >= 24 else 1
        else:
            place, width = _field_of_page(data, size, chance)
        value = chance.choice((*EDGES, chance.randrange(1 << 16), len(data) // size))
        data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "big")
    file.write_bytes(data)
    return "page"


def _field_of_page(data: bytearray, size: int, chance: random.Random) -> tuple[int, int]:
    """Return place and width of a field of a page: type, counts, pointers, or bytes of a cell."""
    number = chance.randrange(max(1, len(data) // size))
    start = number * size
    head = start + (100 if number == 0 else 0)
    interior = data[head : head + 1] in (b"\x02", b"\x05")
    cells = int.from_bytes(data[head + 3 : head + 5], "big") % 2_000
    pointers = head + (12 if interior else 8)
    fields = [(head, 1), (head + 1, 2), (head + 3, 2), (head + 5, 2), (head + 7, 1)]
    if interior:
        fields += [(head + 8, 4)] * 3
    for _ in range(6 if cells else 0):
        pointer = pointers + 2 * chance.randrange(cells)
        fields.append((pointer, 2))
        cell = start + int.from_bytes(data[pointer : pointer + 2], "big")
        fields += [(cell + chance.randrange(12), chance.choice((1, 1, 4))) for _ in range(2)]
    return chance.choice(fields)


def change_row(file: Path, chance: random.Random) -> str:
    """Put odd values into rows, with checksums that fit or none."""
    schema = CATALOG if file.name == "catalog.db" else THUMBNAILS
    done = []
    with closing(connect(file)) as sql:
        for _ in range(chance.choice((1, 1, 3))):
            table = chance.choice(schema.tables)
            name = chance.choice(table.columns).name
            query = f"SELECT rowid, * FROM {table.name} LIMIT {MOST_ROWS}"
            rows = sql.execute(query).fetchall()
            if not rows:
                continue
            names = [row[1] for row in sql.execute(f"PRAGMA table_info({table.name})")]
            rowid, *values = chance.choice(rows)
            row = dict(zip(names, values, strict=True))
            row[name] = chance.choice((*VALUES, *VALUES, chance.choice(values)))
            row["checksum"] = None
            if chance.random() < 0.5:
                with suppress(TypeError, ValueError, OverflowError):
                    row["checksum"] = table.checksum(row)
            try:
                sql.execute(
                    f"UPDATE {table.name} SET {', '.join(f'{n} = ?' for n in row)} WHERE rowid = ?",
                    [*row.values(), rowid],
                )
            except (sqlite3.Error, OverflowError):
                continue
            done.append(f"{table.name}.{name} = {str(row[name])[:40]!r}")
    return "row: " + ", ".join(done)


def change_schema(file: Path, chance: random.Random) -> str:
    """Add, replace or drop objects of the schema."""
    schema = CATALOG if file.name == "catalog.db" else THUMBNAILS
    with closing(connect(file)) as sql:
        if chance.random() < 0.3:
            table = chance.choice(schema.tables).name
            names = [row[1] for row in sql.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(f"{chance.choice(('i', 'NULL', '1'))} AS {n}" for n in names)
            statements = [
                f"ALTER TABLE {table} RENAME TO hidden",
                ENDLESS.format(table=table, columns=columns),
            ]
        elif chance.random() < 0.3:
            statements = [
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_master SET "
                + chance.choice(("rootpage = rootpage + 1", "sql = sql || ' '", "type = 'view'"))
                + f" WHERE rowid = {chance.randrange(1, 20)}",
            ]
        else:
            statements = chance.choice(SCHEMA_CHANGES).split("; ")
            if statements[-1] == "END":
                statements = ["; ".join(statements)]
        for statement in statements:
            try:
                sql.execute(statement)
            except sqlite3.Error:
                return f"schema, in part: {statements}"
    return f"schema: {statements}"


def change_log(file: Path, chance: random.Random) -> str:
    """Change pages in a write-ahead log, with checksums that fit or not."""
    data = bytearray(file.read_bytes())
    if len(data) < 32 + 24 + 512:
        return "no log"
    size = int.from_bytes(data[8:12], "big")
    count = (len(data) - 32) // (24 + size)
    for _ in range(chance.choice((1, 2))):
        frame = 32 + chance.randrange(count) * (24 + size)
        if chance.random() < 0.3:
            place, width = frame + chance.choice((0, 4, 8, 12)), 4
        else:
            page = bytearray(100) + data[frame + 24 : frame + 24 + size]
            place, width = _field_of_page(page[100:], size, chance)
            place += frame + 24
        data[place : place + width] = (chance.choice(EDGES) % (1 << 8 * width)).to_bytes(
            width, "big"
        )
    if chance.random() < 0.7:
        _sign_log(data, size, count)
    file.write_bytes(data)
    return "log"


def _sign_log(data: bytearray, size: int, count: int) -> None:
    """Compute the checksums of all frames again, and store them."""
    state = np.frombuffer(bytes(data[24:32]), ">u4").astype(np.uint32)[None]
    for number in range(count):
        frame = 32 + number * (24 + size)
        words = bytes(data[frame : frame + 8] + data[frame + 24 : frame + 24 + size])
        state = _advance(np.frombuffer(words, np.uint32)[None], state)
        data[frame + 16 : frame + 24] = state.astype(">u4").tobytes()
