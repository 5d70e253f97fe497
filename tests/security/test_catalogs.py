"""SQLite files from strangers: foreign schemas, journals, endless scans, values of other kinds."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.on_disk import rows
from vecsim import Index
from vecsim.catalog import migrations
from vecsim.catalog.schema_check import _KNOWN, _digest, made_by
from vecsim.errors import IndexDamagedError
from vecsim.index.repair import repair
from vecsim.index.verify import verify
from vecsim.index.writer import Writer

Said = Callable[..., str]


def change(file: Path, *statements: str) -> None:
    """Run statements as another program would."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def endless_view(path: Path) -> list[str]:
    names = [row[1] for row in rows(path, "PRAGMA table_info(images)")]
    columns = ", ".join("i AS key" if name == "key" else f"1 AS {name}" for name in names)
    return [
        "ALTER TABLE images RENAME TO hidden",
        f"CREATE VIEW images AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        f"SELECT {columns} FROM n",
    ]


TRIGGER = (
    "CREATE TRIGGER extra AFTER UPDATE ON counters BEGIN UPDATE images SET removed_generation = 1 "
    "WHERE key < 4; END"
)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("", "view 'images'"),
        (TRIGGER, "trigger 'extra' of 'counters'"),
        ("CREATE TABLE extra (a)", "table 'extra'"),
        ("CREATE INDEX extra ON images (lower(url))", "index 'extra' of 'images'"),
        ("ALTER TABLE images ADD COLUMN extra TEXT", "table 'images'"),
        ("DROP INDEX images_live_id", "lacks the index 'images_live_id'"),
        ("CREATE VIRTUAL TABLE extra USING fts5(a)", "table 'extra"),
    ],
)
def test_a_foreign_schema_is_refused_before_it_is_used(
    statement: str, named: str, path: Path, said: Said
) -> None:
    change(path / "catalog.db", *([statement] if statement else endless_view(path)))

    for command in (["info", path], ["remove", path, "none", "--missing-ok"], ["compact", path]):
        assert named in said(*command)
    assert named in "".join(problem.what for problem in verify(path))
    assert repair(path).problems

    assert list(verify(path)) == []
    assert len(rows(path, "SELECT key FROM images")) == 30


def test_a_foreign_schema_of_the_thumbnails_is_refused(path: Path) -> None:
    with Writer(path) as writer:
        writer.thumbnails.put({1: b"webp"})
    trigger = "CREATE TRIGGER extra BEFORE DELETE ON thumbnails BEGIN SELECT 1; END"
    change(path / "thumbnails.db", trigger)

    assert [problem.file for problem in verify(path)] == [path / "thumbnails.db"]
    assert repair(path).thumbnails_lost
    assert list(verify(path)) == []


@pytest.mark.parametrize("schema", [migrations.CATALOG, migrations.THUMBNAILS])
def test_known_schemas_are_those_of_the_migrations(schema: migrations.Schema) -> None:
    names = list(schema.migrations)
    made = {
        (schema.name, name): _digest(made_by(schema, names[:count]))
        for count, name in enumerate(names, 1)
    }
    assert made.items() <= _KNOWN.items()


def journal_that_names(database: Path, victim: Path) -> bytes:
    """A rollback journal of a transaction over several files, whose list is `victim`.

    SQLite rolls such a transaction back, and then deletes the list.
    """
    data = database.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    magic, nonce = bytes.fromhex("d9d505f920a163d7"), 1234
    head = magic + struct.pack(">IIIII", 1, nonce, len(data) // size, 512, size)
    page = data[:size]
    checksum = (nonce + sum(page[place] for place in range(size - 200, 0, -200))) & 0xFFFFFFFF
    record = struct.pack(">I", 1) + page + struct.pack(">I", checksum)
    name = os.fsencode(victim)
    tail = struct.pack(">I", 0x40000000 // size + 1) + name
    tail += struct.pack(">II", len(name), sum(name)) + magic
    return head.ljust(512, b"\0") + record + tail


@pytest.mark.parametrize("name", ["catalog.db", "thumbnails.db"])
def test_a_journal_deletes_no_file(name: str, path: Path, victim: Path, said: Said) -> None:
    with Writer(path) as writer:
        writer.thumbnails.put({1: b"webp"})
    file, journal = path / name, path / f"{name}-journal"
    change(file, "PRAGMA journal_mode = DELETE")
    journal.write_bytes(journal_that_names(file, victim / "tax.txt"))

    assert f"{journal}: SQLite would change the index" in said("verify", path)
    repair(path)

    assert not journal.exists()
    assert list(verify(path)) == []


def test_sqlite_deletes_the_file_that_such_a_journal_names(path: Path, tmp_path: Path) -> None:
    """The journal of the test above works: SQLite alone does what vecsim must prevent."""
    named = tmp_path / "named"
    named.write_text("tax 2025")
    change(path / "catalog.db", "PRAGMA journal_mode = DELETE")
    journal = path / "catalog.db-journal"
    journal.write_bytes(journal_that_names(path / "catalog.db", named))

    rows(path, "SELECT * FROM settings")

    assert not named.exists()


LONG_QUERY = """
import sys
from pathlib import Path
from vecsim.catalog import Catalog
from vecsim.contained import ContainedPath
catalog = Catalog.open(ContainedPath.of(Path(sys.argv[1])))
catalog._sql.allow_any_work()
print("asking", flush=True)
catalog._sql.query(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
)
"""


def test_ctrl_c_ends_a_query(path: Path) -> None:
    command = [sys.executable, "-c", LONG_QUERY, str(path / "catalog.db")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert error.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("images", "url", b"\xff"),
        ("images", "fields", '{"a": 1}'),
        ("images", "fields", "[" * 100_000),
        ("images", "width", "wide"),
        ("segments", "vector_count", "many"),
        ("counters", "value", 1 << 62),
        ("settings", "value", '{"model": "x", "weights_sha256": "", "preprocessing": ""}'),
    ],
)
def test_values_of_another_kind_are_damage(
    table: str, column: str, value: object, path: Path
) -> None:
    with closing(sqlite3.connect(path / "catalog.db")) as catalog, catalog:
        catalog.execute(f"UPDATE {table} SET {column} = ?, checksum = NULL", [value])

    with (
        pytest.raises(IndexDamagedError, match=r"catalog\.db: the catalog is damaged"),
        Index.open(path) as index,
    ):
        list(index)
    assert [problem.file for problem in verify(path)][:1] == [path / "catalog.db"]


def test_an_index_in_use_is_read_with_its_log(path: Path, tmp_path: Path) -> None:
    """A log beside a catalog of its own is no hard link and no damage."""
    with Writer(path) as writer:
        writer.remove(["1"])
        shutil.copytree(path, tmp_path / "copy")
        assert (tmp_path / "copy" / "catalog.db-wal").exists()

    with Index.open(tmp_path / "copy") as index:
        assert len(index) == 29
