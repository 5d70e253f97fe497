"""A build on a cluster equals a local build, whatever process is killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import run, start
from support.on_disk import content, live, rows
from support.shop import id_of, picture
from support.shops import COUNT, MISSING, Shops, index_state
from vecsim import AddReport, EngineOptions, Index, WorkOptions
from vecsim.fetch import FetchOptions
from vecsim.operations.building import build_index
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.sources import SourceOptions, read_source

from .conftest import Nodes

# Starting a cluster of several nodes takes long, and longer where others work too.
pytestmark = pytest.mark.slow

CHUNKS = {"VECSIM_CHUNK_IMAGES": "20"}


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    with Shops(delay=0.05).open() as shops:
        yield shops


@pytest.fixture(scope="module")
def source(shops: Shops, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shops.list_to(tmp_path_factory.mktemp("ray") / "shops.csv", range(COUNT))


@pytest.fixture(scope="module")
def undisturbed(source: Path) -> list[list[tuple]]:
    path = source.with_name("undisturbed")
    run("build-index", path, source, status=3)
    found = index_state(path)
    assert len(found[0]) == COUNT - len(MISSING)
    return found


def build(
    path: Path,
    source: Path,
    nodes: Nodes,
    watch: Callable[[AddReport], None],
    rate: float | None = None,
) -> AddReport:
    """Build in this process, so that `watch` can kill something at a known moment."""
    fetch = FetchOptions(rate_per_host=rate)
    work = WorkOptions(fetch=fetch, engine=EngineOptions("ray", nodes.address))
    refs = read_source(str(source), SourceOptions())
    return build_index(path, refs, RunOptions(ModelChoice("phash"), work=work, progress=watch))


def test_two_nodes_build_what_one_machine_builds(
    nodes: Nodes, shops: Shops, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(2)
    shops.requests_by_process.clear()

    said = run("build-index", tmp_path / "new", source, *nodes.options, status=3, **CHUNKS)

    assert index_state(tmp_path / "new") == undisturbed
    assert len(shops.requests_by_process) == 2, "one worker did it all"
    assert "295 added" in said
    again = run("build-index", tmp_path / "new", source, *nodes.options)
    assert index_state(tmp_path / "new") == undisturbed
    assert "0 added, 300 already known" in again
    with Index.open(tmp_path / "new") as index:
        assert index.verify() == []


def test_a_node_killed_during_a_build_loses_and_repeats_nothing(
    nodes: Nodes,
    source: Path,
    undisturbed: list[list[tuple]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECSIM_CHUNK_IMAGES", "20")
    nodes.have(2)

    def harm(report: AddReport) -> None:
        if report.added > 40 and len(nodes.nodes) == 2:
            nodes.kill()

    report = build(tmp_path / "new", source, nodes, harm)

    assert len(nodes.nodes) == 1, "it was done before"
    assert (report.added, report.failed) == (COUNT - len(MISSING), len(MISSING))
    assert index_state(tmp_path / "new") == undisturbed


def test_a_node_that_joins_late_is_used(
    nodes: Nodes, shops: Shops, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(1)
    shops.requests_by_process.clear()

    def join(report: AddReport) -> None:
        if shops.requests_by_process and len(nodes.nodes) == 1:
            nodes.add()

    build(tmp_path / "new", source, nodes, join, rate=3)

    assert len(shops.requests_by_process) == 2
    assert index_state(tmp_path / "new") == undisturbed


def test_a_killed_build_is_resumed(
    nodes: Nodes, shops: Shops, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(2)
    path = tmp_path / "new"
    with start("build-index", path, source, *nodes.options, **CHUNKS) as process:
        while not (path.exists() and len(live(path)) >= 40) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it was done before"
    kept = content(path)
    assert 0 < len(kept) < len(undisturbed[0])
    # Workers that outlive the command for a moment finish the requests that they have begun.
    before = -1
    while before != shops.total:
        before = shops.total
        time.sleep(1)

    said = run("build-index", path, source, *nodes.options, status=3)

    assert f"{COUNT - len(MISSING) - len(kept)} added" in said
    assert shops.total - before <= COUNT - len(kept), "what was committed was fetched again"
    assert index_state(path) == undisturbed


def test_an_image_that_kills_its_worker_becomes_a_failure(
    nodes: Nodes, shops: Shops, tmp_path: Path
) -> None:
    nodes.have(2)
    numbers = range(60, 110)
    source = shops.list_to(tmp_path / "shops.csv", numbers)
    run("build-index", tmp_path / "healthy", source)
    shops.fatal_paths.add("/77.png")

    try:
        said = run("build-index", tmp_path / "new", source, *nodes.options, status=3)
    finally:
        shops.fatal_paths.clear()

    healthy = content(tmp_path / "healthy")
    assert content(tmp_path / "new") == [image for image in healthy if image[0] != id_of(77)]
    assert rows(tmp_path / "new", "SELECT id, kind FROM failures") == [(id_of(77), "crashed")]
    assert "4 workers died over it" in run("failures", tmp_path / "new")
    assert "crashed" in said
    run("retry", tmp_path / "new")
    assert sorted(content(tmp_path / "new")) == sorted(healthy)


def test_a_refresh_on_the_cluster_embeds_changed_images(
    nodes: Nodes, shops: Shops, tmp_path: Path
) -> None:
    nodes.have(2)
    source = shops.list_to(tmp_path / "shops.csv", range(200, 230))
    path = tmp_path / "new"
    run("build-index", path, source)
    before = shops.members[0].pictures[210]
    shops.members[0].pictures[210] = picture(5_000)
    try:
        said = run("refresh", path, *nodes.options)
    finally:
        shops.members[0].pictures[210] = before

    assert "29 unchanged, 1 changed" in said
    with Index.open(path) as index:
        file = tmp_path / "query.png"
        moved = shops.members[0].pictures[211]
        for data, id_ in ((picture(5_000), id_of(210)), (moved, id_of(211))):
            file.write_bytes(data)
            best = next(iter(index.query(file, top_k=1)))
            assert (best.reference_id, best.score) == (id_, 1.0)
