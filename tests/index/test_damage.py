"""A damaged index gives an error that names the file; it never returns wrong results."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import make_in_chunks, scratch, segment_files
from vecsim import Index, match
from vecsim.errors import (
    IndexDamagedError,
    IndexExistsError,
    IndexFormatError,
    IndexMissingError,
    VecsimError,
)
from vecsim.index.verify import verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of three segments, closed."""
    rows = np.random.default_rng(0).standard_normal((300, 8))
    index = make_in_chunks(tmp_path / "i", rows, [str(row) for row in range(300)], [150, 250])
    index.close()
    assert len(segment_files(index.path)) == 3
    assert index.verify() == []
    return index.path


def cut_short(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 5)


def cut_to_nothing(file: Path) -> None:
    file.write_bytes(b"")


def lengthen(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"x")


def overwrite_header(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"IxFI")


@pytest.mark.parametrize(
    "harm", [cut_short, cut_to_nothing, lengthen, overwrite_header, Path.unlink]
)
def test_an_error_names_the_damaged_segment(path: Path, harm: Callable[[Path], None]) -> None:
    file = segment_files(path)[1]
    harm(file)
    for use in (Index.open, lambda path: Index(path).remove("1"), match):
        with pytest.raises(IndexDamagedError, match=re.escape(str(file))):
            use(path)
    problems = list(verify(path))
    assert [problem.file for problem in problems[:1]] == [file]


def test_verify_finds_a_single_flipped_bit(path: Path) -> None:
    file = segment_files(path)[2]
    data = bytearray(file.read_bytes())
    for position in random.Random(1).sample(range(len(data)), 40):
        data[position] ^= 1 << position % 8
        file.write_bytes(data)
        assert [problem.file for problem in verify(path)][:1] == [file], position
        data[position] ^= 1 << position % 8


def test_verify_finds_exchanged_files(path: Path) -> None:
    first, second = segment_files(path)[1:]
    with closing(sqlite3.connect(path / "catalog.db")) as catalog, catalog:
        catalog.execute("UPDATE segments SET sha256 = 'other' WHERE name = ?", [first.name])
        catalog.execute("DELETE FROM segments WHERE name = ?", [second.name])
    found = {problem.file: problem.what for problem in verify(path)}
    assert "SHA-256" in found[first]
    assert "50 images have no vector" in found[path / "catalog.db"]


def test_a_damaged_catalog_gives_a_result_or_a_vecsim_error(path: Path) -> None:
    """Cut, flipped or overwritten at any place, it never gives another exception."""
    data = (path / "catalog.db").read_bytes()
    choices = random.Random(2)
    refused = 0
    with scratch() as folder:
        for number in range(60):
            copy = folder / str(number)
            shutil.copytree(path, copy)
            harmed = bytearray(data)
            start = choices.choice([0, choices.randrange(len(data)), choices.randrange(4096)])
            length = choices.choice([1, 16, 4096])
            if choices.random() < 0.2:
                del harmed[start + 1 :]
            else:
                harmed[start : start + length] = choices.randbytes(length)
            (copy / "catalog.db").write_bytes(harmed[: len(data)])
            try:
                list(verify(copy))
                with Index.open(copy) as index:
                    list(index)
                    len(match(index, threshold=0.5).to_numpy())
                    index.remove("5", missing_ok=True)
                    index.add_vectors(np.ones((1, 8)), [f"new {number}"])
            except VecsimError as error:
                refused += 1
                assert str(copy) in str(error)
    assert refused > 10


def test_a_file_that_is_not_a_catalog_is_named(path: Path) -> None:
    catalog = path / "catalog.db"
    for harm in (
        lambda: catalog.write_bytes(b""),
        lambda: catalog.write_bytes(b"not a database at all" * 100),
        lambda: other_database(catalog),
    ):
        harm()
        for use in (Index.open, lambda path: Index(path).remove("1"), match):
            with pytest.raises(IndexDamagedError, match=re.escape(str(catalog))):
                use(path)
        assert [problem.file for problem in verify(path)] == [catalog]


def other_database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def test_an_index_of_a_later_format_asks_for_an_upgrade(path: Path) -> None:
    with closing(sqlite3.connect(path / "catalog.db")) as catalog, catalog:
        catalog.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('vecsim', '9999_from_the_future', '2040-01-01')"
        )
    for use in (Index.open, lambda path: Index(path).remove("1"), match):
        with pytest.raises(IndexFormatError, match=r"newer vecsim.*9999.*pip install --upgrade"):
            use(path)


def test_the_error_for_a_path_without_an_index_says_what_is_there(tmp_path: Path) -> None:
    nothing, file, folder = tmp_path / "nothing", tmp_path / "file", tmp_path / "folder"
    file.write_text("hello")
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"")
    for place, said in [
        (nothing, "there is nothing"),
        (file, "that is a file"),
        (folder, "holds no catalog.db"),
    ]:
        for use in (Index.open, lambda path: Index(path).remove("1"), verify_all):
            with pytest.raises(IndexMissingError, match=f"{re.escape(str(place))}.*{said}"):
                use(place)
    with pytest.raises(IndexMissingError, match="there is no index, list or folder"):
        match(nothing)
    for place in (file, folder):
        with pytest.raises(IndexExistsError, match=re.escape(str(place))):
            Index.create(place, "phash")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def verify_all(path: Path) -> None:
    list(verify(path))
