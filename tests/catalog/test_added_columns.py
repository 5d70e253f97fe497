"""A column added to `images` by a later format, on an index of each earlier format.

The columns are those of `support.added_columns`: an integer, and a text that a migration in Python
fills in.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.added_columns import future_catalog, text_of
from support.on_disk import rows, scratch
from support.storage.changes import state
from vecsim import Index
from vecsim.catalog import migrations
from vecsim.errors import IndexFormatError
from vecsim.index.repair import repair
from vecsim.index.verify import verify
from vecsim.index.writer import Writer

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "index" / "golden"
FORMATS = ["v1", "v2", "v3", "v6", "v7", "v8", "bundled-1"]


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the golden index of an earlier format."""
    return shutil.copytree(GOLDEN / request.param, tmp_path / "index")


@pytest.fixture
def future(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows the format of the future."""
    monkeypatch.setattr(migrations, "CATALOG", future_catalog())


def migrate(path: Path) -> None:
    Writer(path).close()


def added(path: Path) -> dict[int, tuple[int, str]]:
    """The added columns by key."""
    return {
        key: more for key, *more in rows(path, "SELECT key, test_number, test_text FROM images")
    }


def everything(path: Path) -> list[tuple]:
    """The columns of format 1 of all images, removed ones included."""
    columns = "key, id, url, fields, final_url, byte_count, sha256, etag, added_at"
    return rows(path, f"SELECT {columns}, removed_generation FROM images ORDER BY key")


@pytest.mark.usefixtures("future")
def test_an_older_index_verifies_before_and_after_the_migration(path: Path) -> None:
    applied, before = rows(path, "SELECT name FROM _sqlite_migrations"), everything(path)
    with Index.open(path) as index:
        count = len(index)
        assert index.verify() == []
    assert rows(path, "SELECT name FROM _sqlite_migrations") == applied
    assert "test_number" not in {row[1] for row in rows(path, "PRAGMA table_info(images)")}

    migrate(path)

    assert everything(path) == before
    assert added(path) == {key: [3, text_of({"key": key})] for key, *_ in before}
    with Index.open(path) as index:
        assert len(index) == count
        assert index.verify() == []


@pytest.mark.usefixtures("future")
def test_a_migrated_index_can_still_grow(path: Path) -> None:
    migrate(path)
    with Writer(path) as writer:
        (first, *_) = writer.catalog.images.all()
        writer.commit([], [], [replace(first, facts=replace(first.facts, etag='"new"'))])
        writer.remove([first.ref.id])
        writer.compact()
    assert list(verify(path)) == []
    assert added(path).keys().isdisjoint({first.key})


@pytest.mark.usefixtures("future")
def test_an_index_made_in_the_new_format_holds_the_defaults(tmp_path: Path) -> None:
    with Index.from_vectors(tmp_path / "i", np.eye(4), range(4)) as index:
        assert index.verify() == []
    assert added(tmp_path / "i") == {key: [3, ""] for key in (1, 2, 3, 4)}


@pytest.mark.usefixtures("future")
@pytest.mark.parametrize("sql", ["test_number = 4", "test_text = 'x'", "test_text = ''"])
def test_a_changed_value_in_an_added_column_is_damage(sql: str, tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "v3", tmp_path / "index")
    migrate(path)
    with closing(sqlite3.connect(path / "catalog.db")) as connection:
        connection.execute(f"UPDATE images SET {sql} WHERE key = 6")
        connection.commit()
    (problem,) = verify(path)
    assert problem.what == "images: the row of 6 is damaged (its checksum is wrong)"
    done = repair(path)
    assert (done.lost, done.orphaned) == (0, 1)
    assert 6 not in {key for key, *rest in everything(path) if rest[-1] is None}


def zero_first_page(path: Path) -> set[int]:
    data = bytearray((path / "catalog.db").read_bytes())
    data[:4096] = bytes(4096)
    (path / "catalog.db").write_bytes(data)
    return set()


def flip_a_byte_in_a_row(path: Path) -> set[int]:
    """Change the URL of one image, and return its key."""
    key, url = rows(path, "SELECT key, url FROM images WHERE key >= 5 AND checksum NOT NULL")[0]
    data = bytearray((path / "catalog.db").read_bytes())
    assert data.count(url.encode()) >= 1
    data[data.index(url.encode()) + 10] ^= 1
    (path / "catalog.db").write_bytes(data)
    return {key}


def zero_a_page_of_images(path: Path) -> set[int]:
    """Overwrite the page with the URL of image 5, and with those of its neighbours."""
    urls = dict(rows(path, "SELECT key, url FROM images"))
    data = bytearray((path / "catalog.db").read_bytes())
    start = data.index(urls[5].encode()) // 4096 * 4096
    keys = {key for key, url in urls.items() if url.encode() + b"{" in data[start : start + 4096]}
    data[start : start + 4096] = bytes(4096)
    (path / "catalog.db").write_bytes(data)
    return keys


@pytest.mark.usefixtures("future")
@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("damage", [zero_first_page, flip_a_byte_in_a_row, zero_a_page_of_images])
@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_repair_keeps_every_sound_row(
    name: str, damage: Callable[[Path], set[int]], migrated: bool, tmp_path: Path
) -> None:
    path = shutil.copytree(GOLDEN / name, tmp_path / "index")
    if migrated:
        migrate(path)
    elif damage is flip_a_byte_in_a_row and name != "v3":
        return  # rows of format 1 and 2 have no checksums: such damage cannot be told
    before = {row[0]: row for row in everything(path)}
    lost = damage(path)
    assert len(lost) < len(before)
    assert list(verify(path))

    repair(path)

    after = {row[0]: row for row in everything(path)}
    assert {key: after[key] for key in before.keys() - lost} == {
        key: row for key, row in before.items() if key not in lost
    }
    for key, (test_number, test_text) in added(path).items():
        if key not in lost:
            # Where the catalog can be opened, `repair` migrates it first.
            assert test_number == 3
            assert test_text == text_of({"key": key}) or (not migrated and not test_text)
    assert list(verify(path)) == []


def test_a_row_that_is_damaged_before_the_migration_stays_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(GOLDEN / "v3", tmp_path / "index")
    with closing(sqlite3.connect(path / "catalog.db")) as connection:
        connection.execute("UPDATE images SET url = 'x' WHERE key IN (5, 6)")
        connection.commit()
    monkeypatch.setattr(migrations, "CATALOG", future_catalog())
    migrate(path)
    assert [problem.what.split(" is ")[0] for problem in verify(path)] == [
        "images: the row of 5",
        "images: the row of 6",
    ]


def test_an_older_build_refuses_the_newer_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as future:
        future.setattr(migrations, "CATALOG", future_catalog())
        migrate(path)
    before = (path / "catalog.db").read_bytes()
    message = f"{path / 'catalog.db'}: written by a newer vecsim (format 9999_test_text)."
    for use in (Index.open, Writer, repair):
        with pytest.raises(IndexFormatError) as refused:
            use(path)
        assert refused.value.message == message
        assert "Upgrade" in str(refused.value)
    assert [problem.what for problem in verify(path)] == [message]
    assert (path / "catalog.db").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("v1", 9),
        ("v7", 5),
        *(pytest.param(name, 1, marks=pytest.mark.slow) for name in FORMATS),
    ],
)
@pytest.mark.ci
def test_a_kill_at_an_operation_of_the_migration(name: str, stride: int, shim: Path) -> None:
    with scratch() as folder:
        script = TESTS / "support" / "storage" / "migration_walk.py"
        done = subprocess.run(
            [sys.executable, str(script), str(GOLDEN / name), str(folder), str(stride)],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "LD_PRELOAD": str(shim),
                "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
                "OMP_NUM_THREADS": "1",
            },
            timeout=1800,
        )
    assert (done.returncode, done.stderr) == (0, "")
    *wrong, operations = done.stdout.splitlines()
    assert wrong == []
    assert int(operations) > 5


def test_the_state_that_the_walk_compares_is_that_of_the_images() -> None:
    with scratch() as folder:
        path = shutil.copytree(GOLDEN / "v3", folder / "i")
        before = state(path)
        with Index.open(path) as index:
            index.remove("image-0")
        assert state(path) != before
