"""Building on a cluster gives what building here gives, whatever dies on the way."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import run, start
from support.mall import COUNT, MISSING, Mall, everything
from support.on_disk import content, live, rows
from support.shop import id_of, picture
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
def mall() -> Iterator[Mall]:
    with Mall(delay=0.05).open() as mall:
        yield mall


@pytest.fixture(scope="module")
def source(mall: Mall, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mall.list_to(tmp_path_factory.mktemp("ray") / "mall.csv", range(COUNT))


@pytest.fixture(scope="module")
def undisturbed(source: Path) -> list[list[tuple]]:
    path = source.with_name("undisturbed")
    run("build-index", path, source, status=3)
    found = everything(path)
    assert len(found[0]) == COUNT - len(MISSING)
    return found


def build(
    path: Path,
    source: Path,
    nodes: Nodes,
    watch: Callable[[AddReport], None],
    rate: float | None = None,
) -> AddReport:
    """Build in this process, so that `watch` can do its harm at a known moment."""
    fetch = FetchOptions(rate_per_host=rate)
    work = WorkOptions(fetch=fetch, engine=EngineOptions("ray", nodes.address))
    refs = read_source(str(source), SourceOptions())
    return build_index(path, refs, RunOptions(ModelChoice("phash"), work=work, progress=watch))


def test_two_nodes_build_what_one_machine_builds(
    nodes: Nodes, mall: Mall, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(2)
    mall.visitors.clear()

    said = run("build-index", tmp_path / "new", source, *nodes.options, status=3, **CHUNKS)

    assert everything(tmp_path / "new") == undisturbed
    assert len(mall.visitors) == 2, "one worker did it all"
    assert "295 added" in said
    again = run("build-index", tmp_path / "new", source, *nodes.options)
    assert everything(tmp_path / "new") == undisturbed
    assert "0 added, 300 already known" in again
    with Index.open(tmp_path / "new") as index:
        assert index.verify() == []


def test_a_node_killed_half_way_loses_and_doubles_nothing(
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
    assert everything(tmp_path / "new") == undisturbed


def test_a_node_that_joins_late_is_used(
    nodes: Nodes, mall: Mall, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
) -> None:
    nodes.have(1)
    mall.visitors.clear()

    def join(report: AddReport) -> None:
        if mall.visitors and len(nodes.nodes) == 1:
            nodes.add()

    build(tmp_path / "new", source, nodes, join, rate=3)

    assert len(mall.visitors) == 2
    assert everything(tmp_path / "new") == undisturbed


def test_a_driver_that_is_killed_is_followed_by_one_that_carries_on(
    nodes: Nodes, mall: Mall, source: Path, undisturbed: list[list[tuple]], tmp_path: Path
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
    before = mall.total

    said = run("build-index", path, source, *nodes.options, status=3)

    assert f"{COUNT - len(MISSING) - len(kept)} added" in said
    assert mall.total - before <= COUNT - len(kept), "what was committed was fetched again"
    assert everything(path) == undisturbed


def test_an_image_that_kills_its_worker_becomes_a_failure(
    nodes: Nodes, mall: Mall, tmp_path: Path
) -> None:
    nodes.have(2)
    numbers = range(60, 110)
    source = mall.list_to(tmp_path / "mall.csv", numbers)
    run("build-index", tmp_path / "healthy", source)
    mall.deadly.add("/77.png")

    try:
        said = run("build-index", tmp_path / "new", source, *nodes.options, status=3)
    finally:
        mall.deadly.clear()

    healthy = content(tmp_path / "healthy")
    assert content(tmp_path / "new") == [image for image in healthy if image[0] != id_of(77)]
    assert rows(tmp_path / "new", "SELECT id, kind FROM failures") == [(id_of(77), "crashed")]
    assert "4 workers died over it" in run("failures", tmp_path / "new")
    assert "crashed" in said
    run("retry", tmp_path / "new")
    assert sorted(content(tmp_path / "new")) == sorted(healthy)


def test_a_refresh_on_the_cluster_embeds_what_has_changed(
    nodes: Nodes, mall: Mall, tmp_path: Path
) -> None:
    nodes.have(2)
    source = mall.list_to(tmp_path / "mall.csv", range(200, 230))
    path = tmp_path / "new"
    run("build-index", path, source)
    before = mall.shops[0].pictures[210]
    mall.shops[0].pictures[210] = picture(5_000)
    try:
        said = run("refresh", path, *nodes.options)
    finally:
        mall.shops[0].pictures[210] = before

    assert "29 unchanged, 1 changed" in said
    with Index.open(path) as index:
        file = tmp_path / "query.png"
        for data, id_ in ((picture(5_000), id_of(210)), (mall.shops[0].pictures[211], id_of(211))):
            file.write_bytes(data)
            best = next(iter(index.query(file, top_k=1)))
            assert (best.reference_id, best.score) == (id_, 1.0)
