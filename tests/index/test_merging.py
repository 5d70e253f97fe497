"""Merging: segments stay few, vectors are rewritten seldom, and plain FAISS reads the files."""

from __future__ import annotations

from math import log2
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import live, read_segment, rows, segment_files
from vecsim import Index
from vecsim.index.segment_files import GROWTH, LARGEST, run_to_merge, runs_to_compact


@pytest.mark.parametrize("chunk", [1, 7, 500, 4096, 5000])
def test_files_stay_few_and_vectors_are_seldom_rewritten(chunk: int) -> None:
    sizes: list[int] = []
    rewritten = 0
    commits = 3_000
    for _ in range(commits):
        sizes.append(chunk)
        start = run_to_merge(sizes)
        if start is not None:
            merged = sum(sizes[start:])
            rewritten += merged
            sizes[start:] = [merged]
    total = commits * chunk
    assert sum(sizes) == total
    assert max(sizes) <= LARGEST
    full = total // (LARGEST // GROWTH)
    assert len(sizes) <= full + GROWTH * log2(commits) / log2(GROWTH)
    assert rewritten <= total * (log2(commits) / log2(GROWTH) + 1)


def test_files_stay_few_with_chunks_of_random_size() -> None:
    random = np.random.default_rng(0)
    sizes: list[int] = []
    for size in random.integers(1, 3000, 2_000).tolist():
        sizes.append(size)
        start = run_to_merge(sizes)
        if start is not None:
            sizes[start:] = [sum(sizes[start:])]
    assert len(sizes) <= sum(sizes) // (LARGEST // GROWTH) + 8 * log2(2_000)


@pytest.mark.parametrize(
    ("sizes", "start"),
    [
        ([], None),
        ([5], None),
        ([1] * (GROWTH - 1), None),
        ([1] * GROWTH, 0),
        ([100, *[1] * GROWTH], 1),
        ([3, *[1] * GROWTH], 1),
        ([8, *[8] * (GROWTH - 2), 1, 1], None),
        ([8, *[8] * (GROWTH - 2), *[1] * GROWTH], 0),
        ([LARGEST, *[1] * GROWTH], 1),
        ([LARGEST // GROWTH + 1] * GROWTH, None),
        ([LARGEST // GROWTH] * GROWTH, 0),
    ],
)
def test_the_longest_run_that_grows_enough_and_fits_is_merged(
    sizes: list[int], start: int | None
) -> None:
    assert run_to_merge(sizes) == start


def test_compacting_merges_neighbours_that_fit_together() -> None:
    sizes = [LARGEST // 2, LARGEST // 3, LARGEST // 3, 5, LARGEST, 1]
    assert runs_to_compact(sizes) == [(0, 2), (2, 4), (4, 5), (5, 6)]
    assert runs_to_compact([]) == []


@pytest.mark.ci
def test_plain_faiss_reads_every_merged_file(tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).standard_normal((100, 6))
    with Index.from_vectors(tmp_path / "i", vectors[:1], ["v0"]) as index:
        for row in range(1, 100):
            index.add_vectors(vectors[row : row + 1], [f"v{row}"])
        index.remove(f"v{row}" for row in range(0, 100, 10))
        for compact in (False, True):
            if compact:
                index.compact()
            check(index, vectors, with_removed=not compact)
        assert len(segment_files(index.path)) == 1


def check(index: Index, vectors: np.ndarray, with_removed: bool) -> None:
    """Ids and vectors of all files together are those that were added."""
    files = segment_files(index.path)
    assert len(files) <= 2 * GROWTH
    assert sorted(index.path.glob("segments/*")) == sorted(files)
    ids = dict(rows(index.path, "SELECT key, id FROM images"))
    found = {}
    for file in files:
        keys, stored = read_segment(file)
        assert (np.diff(keys) > 0).all()
        found.update({ids[key]: row for key, row in zip(keys.tolist(), stored, strict=True)})
    expected = {id_ for _, id_ in live(index.path)}
    assert len(expected) == 90
    assert found.keys() >= expected if with_removed else found.keys() == expected
    for id_, vector in found.items():
        given = vectors[int(id_[1:])]
        np.testing.assert_allclose(vector, given / np.linalg.norm(given), atol=1e-6)
