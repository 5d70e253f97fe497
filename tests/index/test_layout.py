"""The folder of an index: names of segment files, creation all at once, the fingerprint's copy."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.catalog import Catalog
from vecsim.contained.names import parse_segment_name, segment_name
from vecsim.errors import IndexExistsError, IndexMissingError, StorageError
from vecsim.hints import Action
from vecsim.index.layout import (
    IndexFolder,
    create_index,
    read_fingerprint,
    write_fingerprint,
)
from vecsim.records import Fingerprint

FINGERPRINT = Fingerprint("some-model", "ab12", "squash", 8)
numbers = st.integers(0, 10**15)


@given(numbers, numbers, st.integers(0, 10**6))
def test_segment_names_can_be_parsed(first: int, last: int, generation: int) -> None:
    name = segment_name(first, last, generation)

    assert parse_segment_name(name) == (first, last, generation)


def test_segment_names_sort_by_key() -> None:
    names = [segment_name(first, first + 1, 5) for first in (1, 90, 1_000, 123_456_789)]

    assert names == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        "1-2.3.faiss",
        "000000000001-000000000002.faiss",
        "000000000001-000000000002.3.faiss.part",
        "\u0660" * 12 + "-000000000002.3.faiss",
        "../000000000001-000000000002.3.faiss",
        f"{'1' * 5_000}-{'2' * 5_000}.3.faiss",
    ],
)
def test_other_names_are_not_segments(name: str) -> None:
    assert parse_segment_name(name) is None


def test_created_index_is_complete(tmp_path: Path) -> None:
    folder = create_index(tmp_path / "deep" / "i", FINGERPRINT, {"threshold": "0.9"})

    folder.require()
    assert folder.exists()
    assert read_fingerprint(folder) == FINGERPRINT
    catalog = Catalog.open(folder.catalog)
    assert (catalog.fingerprint, catalog.setting("threshold")) == (FINGERPRINT, "0.9")
    catalog.close()
    assert [path.name for path in folder.path.parent.iterdir()] == ["i"]


def test_an_empty_folder_becomes_an_index(tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()

    assert create_index(tmp_path / "i", FINGERPRINT).exists()


def test_leftovers_of_a_killed_creation_are_deleted(tmp_path: Path) -> None:
    left = tmp_path / ".i.0a1b2c3d.part"
    left.mkdir()
    (left / "catalog.db").write_text("half")

    create_index(tmp_path / "i", FINGERPRINT)

    assert not left.exists()


def test_what_is_at_the_path_is_left_alone(tmp_path: Path) -> None:
    create_index(tmp_path / "i", FINGERPRINT)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.jpg").touch()

    for name, found in (("i", "an index"), ("file", "something else"), ("folder", "something")):
        with pytest.raises(IndexExistsError, match=f"there is {found}"):
            create_index(tmp_path / name, FINGERPRINT)


def test_one_of_two_simultaneous_creations_succeeds(tmp_path: Path) -> None:
    results: list[object] = []
    together = threading.Barrier(2)

    def create() -> None:
        together.wait()
        try:
            results.append(create_index(tmp_path / "i", FINGERPRINT))
        except IndexExistsError as error:
            results.append(error)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(result).__name__ for result in results) == [
        "IndexExistsError",
        "IndexFolder",
    ]


def test_a_failed_creation_leaves_nothing_and_names_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object) -> None:
        raise StorageError(f"{path}: no")

    monkeypatch.setattr(Catalog, "create", fail)

    with pytest.raises(StorageError, match=r"i/catalog\.db: no") as caught:
        create_index(tmp_path / "i", FINGERPRINT)

    assert ".part" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_require_tells_what_is_there_instead(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    for name, found in (("none", "nothing"), ("file", "a file"), ("folder", "no catalog.db")):
        with pytest.raises(IndexMissingError, match=found) as caught:
            IndexFolder(tmp_path / name).require()
        assert caught.value.hint is not None
        assert caught.value.hint.action == Action.BUILD_INDEX


def test_fingerprint_copy_is_replaced_and_damage_is_no_error(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_fingerprint(folder)
    other = Fingerprint("other", "", "", 3)

    write_fingerprint(folder, FINGERPRINT)
    write_fingerprint(folder, other)

    assert read_fingerprint(folder) == other
    for damage in (b"{", b"[]", b'{"model": 1}', b"\xff"):
        folder.fingerprint.path.write_bytes(damage)
        assert read_fingerprint(folder) is None


def test_unlisted_segments_are_files_that_are_not_listed(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path)
    assert list(folder.unlisted_segments([])) == []
    segments = tmp_path / "segments"
    segments.mkdir()
    listed, unlisted = segment_name(1, 5, 1), segment_name(6, 9, 2)
    left, folder_name = f".{unlisted}.0a1b2c3d.part", segment_name(10, 11, 3)
    for name in (listed, unlisted, left, "notes.txt", f"{unlisted}.bak"):
        (segments / name).touch()
    (segments / folder_name).mkdir()
    (segments / segment_name(12, 13, 4)).symlink_to("notes.txt")

    found = [path.name for path in folder.unlisted_segments({listed})]

    assert found == [left, unlisted], "files, folders and links of other names are left alone"
