"""An index on a read-only medium can be queried; changing it gives a clear error."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index, match
from vecsim.errors import StorageError

ROWS = np.random.default_rng(0).standard_normal((50, 8))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Mount a folder a second time, read-only, at another path."""
    mounted = []

    def mount(folder: Path) -> Path:
        place = tmp_path / "read-only"
        place.mkdir()
        for options in (["--bind"], ["-o", "remount,ro,bind"]):
            command = ["mount", *options, str(folder), str(place)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"mounting needs rights that are missing here: {done.stderr.strip()}")
            if not mounted:
                mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.from_vectors(tmp_path / "disk" / "i", ROWS, range(50)) as index:
        index.remove("7")
    return tmp_path / "disk" / "i"


def check(path: Path) -> None:
    with Index.open(path) as index:
        assert len(index) == 49
        assert len(match(index, threshold=-1.0).to_numpy()) == 49 * 48 // 2
        assert index.query_ids("3", top_k=1).to_numpy()["score"][0] < 1
        assert index.verify() == []
        for change in (
            lambda: index.remove("8"),
            lambda: index.add_vectors(ROWS[:1], ["new"]),
            index.compact,
        ):
            with pytest.raises(StorageError, match=str(path)):
                change()
        assert len(index) == 49


def test_queries_work_and_changes_are_refused(
    path: Path, read_only: Callable[[Path], Path]
) -> None:
    check(read_only(path.parent) / "i")


def test_queries_see_what_a_writer_commits_through_another_mount(
    path: Path, read_only: Callable[[Path], Path]
) -> None:
    """Mounted read-only here, but writable elsewhere: no result comes from a stale copy."""
    place = read_only(path.parent) / "i"
    with Index.open(path) as writable:
        assert len(writable) == 49  # keeps the catalog's write-ahead log open
        writable.add_vectors(ROWS[:3] + 1, ["a", "b", "c"])
        with Index.open(place) as index:
            assert len(index) == 52
            assert index.verify() == []


def test_no_index_can_be_created_there(path: Path, read_only: Callable[[Path], Path]) -> None:
    place = read_only(path.parent) / "new"
    with pytest.raises(StorageError, match=f"{place}.*Choose a folder that you may write to"):
        Index.from_vectors(place, ROWS, range(50))
