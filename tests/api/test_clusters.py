"""Clusters of similar images, compared with a breadth-first search over the full matrix."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index
from vecsim.errors import UsageError


def groups_of(scores: np.ndarray, threshold: float) -> set[frozenset[str]]:
    """Connected components of two or more, by walking from each image."""
    left = set(range(len(scores)))
    found = set()
    while left:
        group, front = set(), {left.pop()}
        while front:
            group |= front
            near = {int(b) for a in front for b in np.flatnonzero(scores[a] >= threshold)}
            front = near - group
        left -= group
        if len(group) > 1:
            found.add(frozenset(f"i{number}" for number in group))
    return found


def medoid_groups(scores: np.ndarray, threshold: float) -> set[frozenset[str]]:
    """By falling number of neighbours, then id as text: each takes its neighbours that are left."""
    near = scores >= threshold
    np.fill_diagonal(near, False)
    left = set(range(len(scores)))
    found = set()
    for centre in sorted(left, key=lambda number: (-near[number].sum(), f"i{number}")):
        if centre in left:
            group = {centre} | {int(b) for b in np.flatnonzero(near[centre])} & left
            left -= group
            if len(group) > 1:
                found.add(frozenset(f"i{number}" for number in group))
    return found


LINKAGES = {"components": groups_of, "medoid": medoid_groups}


@pytest.mark.parametrize("linkage", ["components", "medoid", "complete"])
@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_those_of_the_exact_matches(seed: int, linkage: str, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((40, 12))
    vectors = centres[random.integers(0, 40, 300)] + 0.35 * random.standard_normal((300, 12))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"i{number}" for number in range(300)]
    with Index.from_vectors(tmp_path / "i", unit[:200], ids[:200]) as index:
        index.add_vectors(unit[200:], ids[200:])
        single = unit.astype(np.float32).astype(np.float64)
        single /= np.linalg.norm(single, axis=1, keepdims=True)
        scores = np.rint(single @ single.T * 1e6) / 1e6
        sizes = []
        for threshold in (0.7, 0.85, 0.95):
            found = list(index.clusters(threshold=threshold, linkage=linkage))
            named = [frozenset(ref.id for ref in group.members) for group in found]
            assert sum(map(len, named)) == len(frozenset().union(*named))
            if linkage in LINKAGES:
                assert set(named) == LINKAGES[linkage](scores, threshold)
            sizes.append(len(named))
            for group in found:
                kept = int(group.members[0].id[1:])
                others = [int(ref.id[1:]) for ref in group.members]
                np.testing.assert_allclose(group.scores, scores[kept, others], atol=1e-12)
                assert list(group.scores[1:]) == sorted(group.scores[1:], reverse=True)
                smallest = scores[np.ix_(others, others)].min()
                assert group.smallest_score == pytest.approx(smallest, abs=1e-12)
                assert group.keep == (True, *(s < threshold for s in group.scores[1:]))
                assert linkage != "complete" or smallest >= threshold
        assert len(set(sizes)) > 1


def test_a_chain_is_one_component_though_its_ends_do_not_match(tmp_path: Path) -> None:
    angles = np.radians([0, 20, 40, 60, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    with Index.from_vectors(tmp_path / "i", vectors, ["d", "c", "b", "a", "far"]) as index:
        (group,) = index.clusters(threshold=0.93, keep="oldest", linkage="components")
        assert [ref.id for ref in group.members] == ["d", "c", "b", "a"]
        assert group.scores == (1.0, 0.939693, 0.766044, 0.5)
        assert group.keep == (True, False, True, True)
        assert group.smallest_score == 0.5
        (group,) = index.clusters(threshold=0.93, keep="first", linkage="components")
        assert group.members[0].id == "a"
        index.remove("c")
        (group,) = index.clusters(threshold=0.93)
        assert sorted(ref.id for ref in group.members) == ["a", "b"]


@pytest.mark.parametrize("threshold", [0.939693, 0.9396931])
def test_the_threshold_of_complete_linkage_is_inclusive(threshold: float, tmp_path: Path) -> None:
    angles = np.radians([0, 10, 20])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    with Index.from_vectors(tmp_path / "i", vectors, "abc") as index:
        (group,) = index.clusters(threshold=threshold, linkage="complete")
        assert len(group) == (3 if threshold == 0.939693 else 2)


def test_groups_do_not_depend_on_how_the_index_grew(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    vectors = random.standard_normal((60, 3))
    ids = [f"i{number}" for number in range(60)]
    found = []
    for order in (np.arange(60), random.permutation(60)):
        with Index.from_vectors(
            tmp_path / str(len(found)), vectors[order[:20]], [ids[n] for n in order[:20]]
        ) as index:
            index.add_vectors(vectors[order[20:]], [ids[n] for n in order[20:]])
            groups = index.clusters(threshold=0.9)
            found.append({frozenset(ref.id for ref in group.members) for group in groups})
    assert found[0] == found[1]


def test_invalid_arguments_are_refused_at_once(tmp_path: Path) -> None:
    with Index.from_vectors(tmp_path / "i", np.eye(3), "abc") as index:
        assert list(index.clusters(threshold=0.5)) == []
        with pytest.raises(UsageError, match="largest"):
            index.clusters(threshold=0.5, keep="best")
        with pytest.raises(UsageError, match="medoid"):
            index.clusters(threshold=0.5, linkage="single")
        with pytest.raises(UsageError):
            index.clusters(threshold=3)


def test_finding_clusters_leaves_no_file_to_the_garbage_collector(tmp_path: Path) -> None:
    path = tmp_path / "six"
    with Index.create(path, model="phash") as index:
        index.add(Path(__file__).resolve().parents[2] / "demo" / "images")

    def open_files() -> int:
        found = 0
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # that of the list itself
                found += str(path) in os.readlink(f"/proc/self/fd/{name}")
        return found

    gc.collect()
    gc.disable()
    try:
        before = open_files()
        for _ in range(3):
            with Index.open(path) as index:
                assert len(list(index.clusters(threshold=0.8))) == 2
        assert open_files() == before
    finally:
        gc.enable()
