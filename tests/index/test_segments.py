"""Segment files have FAISS's format, byte for byte; rows are found by key."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.on_disk import scratch
from vecsim.contained import ContainedPath
from vecsim.errors import StorageError
from vecsim.segments import open_segment, write_segment


@pytest.mark.parametrize(("count", "dim"), [(1, 1), (3, 2), (1000, 64), (77, 1024)])
def test_a_segment_equals_the_file_that_faiss_writes(count: int, dim: int, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    keys = np.arange(count) * 3 + 5
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
    index.add_with_ids(vectors, keys)
    faiss.write_index(index, str(tmp_path / "theirs"))
    half = count // 2
    parts = [(keys[:half], vectors[:half]), (keys[half:], vectors[half:])]
    size, _ = write_segment(ContainedPath(tmp_path, ("ours",)), dim, count, parts)
    ours = (tmp_path / "ours").read_bytes()
    assert ours == (tmp_path / "theirs").read_bytes()
    segment = open_segment(ContainedPath(tmp_path, ("ours",)), size, count, dim)
    np.testing.assert_array_equal(segment.keys, keys)
    np.testing.assert_array_equal(segment.vectors, vectors)


keys_of = st.lists(st.integers(1, 200), unique=True, max_size=100).map(sorted)


@given(keys_of.filter(len), keys_of)
@settings(deadline=None, max_examples=60)
def test_rows_are_found_by_key(stored: list[int], wanted: list[int]) -> None:
    with scratch() as folder:
        keys = np.array(stored)
        vectors = np.ones((len(keys), 2), np.float32)
        path = ContainedPath(folder, ("s",))
        size, _ = write_segment(path, 2, len(keys), [(keys, vectors)])
        segment = open_segment(path, size, len(keys), 2)
        positions, rows = segment.rows_of(np.array(wanted, np.int64))
    found = [(wanted[position], row) for position, row in zip(positions, rows, strict=True)]
    assert found == [(key, stored.index(key)) for key in wanted if key in stored]


def test_a_full_disk_gives_an_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = ContainedPath(tmp_path, ("s.faiss",))
    vectors = np.ones((50_000, 4), np.float32)
    with pytest.raises(StorageError, match=r"s\.faiss.*No space left"):
        write_segment(path, 4, 50_000, [(np.arange(50_000), vectors)])
    assert list(tmp_path.iterdir()) == []
