"""SQLite files whose pages lead to each other, or whose rows share their bytes."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.limited_time import limited_time
from support.on_disk import make_in_chunks, rows
from support.security.crafted_pages import repeat_a_page, share_overflow
from vecsim import Index
from vecsim.catalog import Catalog, ThumbnailStore, migrations, work_limit
from vecsim.catalog.readable_rows import readable_rows
from vecsim.contained import ContainedPath
from vecsim.errors import IndexDamagedError
from vecsim.index.repair import repair
from vecsim.index.verify import verify
from vecsim.index.writer import Writer

Said = Callable[..., str]
FAILURE = "INSERT INTO failures VALUES ('{}', 'y', '{{}}', 'http', 'z', 404, NULL, 1, '', NULL)"
LONG = 2_000_000


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Without the limits that are tested, most of these tests would not end."""
    with limited_time(20):
        yield


def execute(file: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement, values)


def with_thumbnails(path: Path) -> Path:
    with Writer(path) as writer:
        writer.thumbnails.put(dict.fromkeys(range(1, 31), b"webp"))
    return path / "thumbnails.db"


def open_catalog(path: Path, *, write: bool = False) -> Catalog:
    return Catalog.open(ContainedPath.of(path / "catalog.db"), write=write)


# -- pages that lead to each other ----------------------------------------------------------------


@pytest.mark.ci
def test_a_scan_that_would_not_end_is_ended(path: Path, said: Said) -> None:
    execute(path / "catalog.db", FAILURE.format(1))
    repeat_a_page(path / "catalog.db", "failures")

    assert "the catalog is damaged (reading it does not end)" in said("info", path)


def test_images_that_follow_each_other_in_a_circle_are_damage(path: Path) -> None:
    repeat_a_page(path / "catalog.db", "images", levels=1)

    with (
        closing(open_catalog(path)) as catalog,
        pytest.raises(IndexDamagedError, match="not in order"),
    ):
        list(catalog.images.all())
    repair(path)

    assert list(verify(path)) == []
    assert rows(path, "SELECT key FROM images ORDER BY key") == [(n,) for n in range(1, 31)]


def test_failures_that_follow_each_other_in_a_circle_are_damage(path: Path, said: Said) -> None:
    execute(path / "catalog.db", *(FAILURE.format(number) for number in range(7)))
    repeat_a_page(path / "catalog.db", "failures", levels=1)

    assert "not in order" in said("failures", path)


def test_repair_reads_rows_that_follow_each_other_in_a_circle_once(path: Path) -> None:
    repeat_a_page(path / "catalog.db", "images", levels=2)
    with closing(sqlite3.connect(path / "catalog.db")) as source:

        def query(tail: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
            return source.execute(f"SELECT key FROM images {tail}", values).fetchall()

        assert [key for (key,) in readable_rows(query, 1)] == list(range(1, 31))


def test_a_migration_of_rows_that_follow_each_other_in_a_circle_is_refused(path: Path) -> None:
    repeat_a_page(path / "catalog.db", "images", levels=1)
    changed = 0

    def change(row: dict[str, Any]) -> dict[str, Any]:
        nonlocal changed
        changed += 1
        assert changed < 5_000
        return {}

    with (
        closing(sqlite3.connect(path / "catalog.db")) as connection,
        pytest.raises(sqlite3.DatabaseError, match="not in order"),
    ):
        migrations.update_rows(connection, migrations.CATALOG.table("images"), change)


@pytest.mark.ci
def test_a_change_of_rows_that_would_not_end_is_ended(path: Path) -> None:
    repeat_a_page(path / "catalog.db", "images")

    with (
        closing(open_catalog(path, write=True)) as catalog,
        pytest.raises(IndexDamagedError, match="does not end"),
        catalog.transaction(),
    ):
        catalog._sql.change("UPDATE images SET width = 1 WHERE height >= 0")


def test_all_batches_of_a_scan_have_one_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch could read what is hidden between its rows, as often as there are batches."""
    execute(path / "catalog.db", *(FAILURE.format(number) for number in range(2_000)))
    monkeypatch.setattr(work_limit, "_STEPS", 1_000)
    monkeypatch.setattr(work_limit, "_CALLS_PER_BYTE", 0)
    monkeypatch.setattr(work_limit, "_LEAST_CALLS", 20)

    with closing(open_catalog(path)) as catalog:
        assert len(catalog.failures.page(0, 500)) == 500
        with pytest.raises(IndexDamagedError, match="does not end"):
            list(catalog.failures.all())


# -- rows that share their bytes ------------------------------------------------------------------


def share_images(path: Path, column: str, count: int = 1_000) -> None:
    """Make all images copies of the first one, with the same two megabytes in a column."""
    file = path / "catalog.db"
    text = '{"a": "' + "x" * LONG + '"}'
    execute(file, "DELETE FROM images WHERE key > 1")
    execute(file, f"UPDATE images SET {column} = ?, checksum = NULL", values=(text,))
    share_overflow(file, "images", count)


@pytest.mark.parametrize("column", ["fields", "warnings"])
def test_images_that_share_their_bytes_take_no_more_memory_than_the_file(
    column: str, path: Path
) -> None:
    share_images(path, column)
    size = (path / "catalog.db").stat().st_size
    assert LONG < size < 4 * LONG

    tracemalloc.start()
    with Index.open(path) as index, pytest.raises(IndexDamagedError, match="than the whole file"):
        list(index)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 5 * size


def test_repair_writes_no_more_than_the_file_holds(path: Path) -> None:
    share_images(path, "fields")
    size = (path / "catalog.db").stat().st_size

    repair(path)

    assert (path / "catalog.db").stat().st_size < 2 * size
    assert list(verify(path)) == []


def test_thumbnails_that_share_their_bytes_are_damage(path: Path) -> None:
    file = with_thumbnails(path)
    execute(file, "DELETE FROM thumbnails WHERE key > 1")
    execute(file, "UPDATE thumbnails SET webp = zeroblob(2000000), checksum = NULL")
    share_overflow(file, "thumbnails", 1_000)
    size = file.stat().st_size

    with closing(ThumbnailStore(ContainedPath.of(file))) as store:
        with pytest.raises(IndexDamagedError, match="thumbnails are damaged"):
            store.get(range(1, 1_000))
        with pytest.raises(IndexDamagedError, match="thumbnails are damaged"):
            store.remove([2])
    assert file.stat().st_size < 2 * size


# -- as many statements as there are rows ----------------------------------------------------------

SHARING = 60


@pytest.fixture
def sharing(tmp_path: Path) -> Path:
    """An index of images, each of its own id, that share a megabyte of the file's two."""
    path = tmp_path / "sharing"
    ids = [f"{number:04}" for number in range(1, SHARING + 1)]
    make_in_chunks(path, np.eye(SHARING), ids, [SHARING]).close()
    fields = '{"a": "' + "x" * (LONG // 2) + '"}'
    file = path / "catalog.db"
    execute(file, "UPDATE images SET fields = ?, checksum = NULL WHERE key = 1", values=(fields,))
    share_overflow(file, "images", SHARING, lambda cell, n: cell.replace(b"0001", b"%04d" % n, 1))
    assert file.stat().st_size < LONG
    return path


@pytest.mark.parametrize("command", ["add", "sync"])
def test_a_list_of_images_that_share_their_bytes_takes_no_more_memory_than_the_file(
    command: str, sharing: Path, tmp_path: Path, said: Said
) -> None:
    size = (sharing / "catalog.db").stat().st_size
    listed = tmp_path / "list.csv"
    rows_ = [f"{n:04},http://127.0.0.1:9/{n}" for n in range(1, SHARING + 1)]
    listed.write_text("\n".join(["id,url", *rows_]) + "\n")

    tracemalloc.start()
    text = said(command, sharing, listed)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "its rows hold more than the whole file" in text
    assert most < 20 * LONG  # of sixty; a writer allows 16 MB of changes that are in memory
    assert (sharing / "catalog.db").stat().st_size == size


def test_images_that_share_their_bytes_are_found_one_by_one(sharing: Path) -> None:
    with (
        closing(open_catalog(sharing)) as catalog,
        pytest.raises(IndexDamagedError, match="than the whole file"),
    ):
        for number in range(1, 10):
            catalog.images.by_id([f"{number:04}"])


def test_long_rows_can_be_read_again_and_again(path: Path) -> None:
    text = '{"a": "' + "x" * 100_000 + '"}'
    execute(path / "catalog.db", "UPDATE images SET fields = ?, checksum = NULL", values=(text,))
    with closing(open_catalog(path)) as catalog:
        for _ in range(2):
            for number in range(30):
                assert len(catalog.images.by_id([str(number)])) == 1


def test_long_rows_of_an_open_transaction_count_as_part_of_the_file(path: Path) -> None:
    with closing(open_catalog(path, write=True)) as catalog, catalog.transaction():
        row = catalog.images.by_id(["0"])["0"]
        for number in range(5):
            ref = replace(row.ref, id=f"long {number}", fields={"a": "x" * LONG})
            catalog.images.insert([replace(row, key=100 + number, ref=ref)], 1)
        for number in range(5):
            assert len(catalog.images.by_id([f"long {number}"])) == 1
