"""The tests of a cluster on large inputs; they take minutes, so run them by themselves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.commands import run, start
from support.on_disk import live
from support.shops import MISSING, Shops, index_state
from vecsim import EngineOptions, Index, match

from .conftest import Nodes
from .test_match import make

pytestmark = pytest.mark.slow

COUNT = 5_000
BUNDLED = {"VECSIM_MODEL": "bundled", "VECSIM_CHUNK_IMAGES": "500"}


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    with Shops(delay=0.0, count=COUNT).open() as shops:
        yield shops


@pytest.fixture(scope="module")
def source(shops: Shops, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shops.list_to(tmp_path_factory.mktemp("large") / "shops.csv", range(COUNT))


@pytest.fixture(scope="module")
def undisturbed(source: Path) -> list[list[tuple]]:
    path = source.with_name("undisturbed")
    run("build-index", path, source, status=3, **BUNDLED)
    found = index_state(path)
    assert len(found[0]) == COUNT - len(MISSING)
    return found


def test_three_nodes_build_a_large_index_though_one_is_killed(
    nodes: Nodes, shops: Shops, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(3)
    shops.requests_by_process.clear()
    path = tmp_path / "new"

    with start("build-index", path, source, *nodes.options, **BUNDLED) as process:
        wait_for(path, 1_500, process)
        nodes.kill()
        _, said = process.communicate(timeout=900)

    assert process.returncode == 3, said
    assert len(shops.requests_by_process) >= 3, "not every node had work"
    assert index_state(path) == undisturbed
    with Index.open(path) as index:
        assert index.verify() == []


def test_a_killed_command_is_resumed(
    nodes: Nodes, shops: Shops, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(2)
    path = tmp_path / "new"
    with start("build-index", path, source, *nodes.options, **BUNDLED) as process:
        wait_for(path, 1_500, process)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it was done before"
    before, kept = shops.total, len(live(path))

    # All that fails may have failed before.
    run("build-index", path, source, *nodes.options, status=(0, 3), **BUNDLED)

    assert 1_500 <= kept < COUNT - len(MISSING)
    assert shops.total - before <= COUNT - kept, "what was committed was fetched again"
    assert index_state(path) == undisturbed


def wait_for(path: Path, count: int, process: object) -> None:
    """Until so many images are committed."""
    while not (path.exists() and len(live(path)) >= count):
        assert process.poll() is None, process.communicate()  # type: ignore[attr-defined]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def features(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("features")
    one, two = (np.load(shared / "features" / f"source{n}.float16.npy") for n in (1, 2))
    return (
        make(folder / "one", one.astype(np.float32), "a", 13_000),
        make(folder / "two", two.astype(np.float32), "b", 20_000),
    )


def test_the_real_features_in_full(
    nodes: Nodes, features: tuple[Path, Path], tmp_path: Path
) -> None:
    nodes.have(3)
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    run("match", *features, "--threshold", 0.845, "--output", here)
    run("match", *features, "--threshold", 0.845, "--output", there, *nodes.options)
    assert len(here.read_bytes().splitlines()) > 1_000
    assert there.read_bytes() == here.read_bytes()


def test_the_real_features_in_full_with_a_node_killed_half_way(
    nodes: Nodes, features: tuple[Path, Path]
) -> None:
    nodes.have(3)
    expected = [(m.query_id, m.reference_id, m.score) for m in match(*features, threshold=0.845)]
    engine = EngineOptions("ray", nodes.address)
    found = []

    for pair in match(*features, threshold=0.845, engine=engine):
        if len(found) == 100:
            nodes.kill()
        found.append((pair.query_id, pair.reference_id, pair.score))

    assert len(nodes.nodes) == 2
    assert found == expected
