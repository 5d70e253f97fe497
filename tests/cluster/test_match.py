"""A match on a cluster writes the same bytes as a local match."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.commands import run
from vecsim import EngineOptions, Index, match

from .conftest import Nodes

# Starting a cluster of several nodes takes long, and longer where others work too.
pytestmark = pytest.mark.slow

THRESHOLD = 0.75


def make(path: Path, vectors: np.ndarray, name: str, cut: int) -> Path:
    """An index of two segments."""
    ids = [f"{name}{number * 7919 % 100_003}" for number in range(len(vectors))]
    with Index.from_vectors(path, vectors[:cut], ids[:cut]) as index:
        index.add_vectors(vectors[cut:], ids[cut:])
        index.remove(ids[10:20])
    return path


@pytest.fixture(scope="module")
def indexes(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("features")
    one, two = (np.load(shared / "features" / f"source{n}.float16.npy") for n in (1, 2))
    return (
        make(folder / "one", one[:3_000].astype(np.float32), "a", 2_500),
        make(folder / "two", two[:9_500].astype(np.float32), "b", 9_000),
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("--since", "1h"), ("--best-only",)],
    ids=["threshold", "since", "best-only"],
)
def test_a_match_on_the_cluster_writes_the_same_bytes(
    nodes: Nodes, indexes: tuple[Path, Path], arguments: tuple, tmp_path: Path
) -> None:
    nodes.have(2)
    arguments = (*arguments, "--threshold", THRESHOLD)
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"

    run("match", *indexes, *arguments, "--output", here)
    run("match", *indexes, *arguments, "--output", there, *nodes.options)

    assert len(here.read_bytes().splitlines()) > 1_000
    assert there.read_bytes() == here.read_bytes()


def test_a_self_match_survives_a_killed_node(
    nodes: Nodes, indexes: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    nodes.have(2)
    expected = [(m.query_id, m.reference_id, m.score) for m in match(indexes[1], threshold=0.85)]
    engine = EngineOptions("ray", nodes.address)
    found = []

    for pair in match(indexes[1], threshold=0.85, engine=engine):
        if not found:
            nodes.kill()  # most of the work has not even been handed out
        found.append((pair.query_id, pair.reference_id, pair.score))

    assert len(expected) > 1_000
    assert found == expected
    assert capfd.readouterr().out == "", "there, results are written"
