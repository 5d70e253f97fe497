"""Files that an interrupted run left: readers ignore them, the next writer deletes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import segment_files
from vecsim import Index


@pytest.fixture
def index(tmp_path: Path) -> Index:
    rows = np.random.default_rng(0).standard_normal((20, 8))
    index = Index.from_vectors(tmp_path / "i", rows, range(20))
    index.close()
    return index


def test_files_of_a_run_killed_before_its_commit_are_deleted(index: Index) -> None:
    (kept,) = segment_files(index.path)
    folder = index.path / "segments"
    # Killed while writing; killed between the rename and the commit.
    half = folder / ".000000000021-000000000099.2.faiss.0a1b2c3d.part"
    half.write_bytes(kept.read_bytes()[:100])
    shutil.copy(kept, folder / "000000000021-000000000099.2.faiss")
    shutil.copy(kept, folder / "000000000021-000000000040.2.faiss")
    assert len(index) == 20
    assert index.verify() == []
    assert len(list(folder.iterdir())) == 4, "a reader deletes nothing"
    index.close()
    # The next chunk gets the name of one of the deleted files.
    index.add_vectors(np.random.default_rng(1).standard_normal((20, 8)), range(20, 40))
    assert sorted(folder.iterdir()) == segment_files(index.path)
    assert len(index) == 40
    assert index.verify() == []


def test_a_folder_among_the_segments_is_ignored(index: Index) -> None:
    (index.path / "segments" / ".snapshots").mkdir()
    assert index.remove("3") == 1
    assert index.verify() == []


def test_an_empty_index_works_without_the_segments_folder(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    with Index.from_vectors(path, np.empty((0, 8)), []) as index:
        (path / "segments").rmdir()
        assert len(index) == 0
        assert index.add_vectors(np.eye(8), range(8)) == 8
        assert len(index) == 8


def test_a_copy_without_lock_files_works(index: Index) -> None:
    for file in index.path.glob("*.lock"):
        file.unlink()
    assert len(index) == 20
    assert index.remove("3") == 1
    index.close()
    index.compact()
    assert index.verify() == []
