"""A sync on a cluster does what a local one does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.catalogue import Catalogue, first_night, next_night, write_catalogue
from support.commands import run
from support.on_disk import added_at, content

from .conftest import Nodes

# Starting a cluster of several nodes takes long, and longer where others work too.
pytestmark = pytest.mark.slow


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with Catalogue().open() as opened:
        yield opened


@pytest.mark.parametrize("options", [(), ("--refresh",)])
def test_a_sync_equals_a_local_one(
    options: tuple[str, ...], nodes: Nodes, catalogue: Catalogue, tmp_path: Path
) -> None:
    nodes.have(2)
    local, cluster, source = tmp_path / "local", tmp_path / "cluster", tmp_path / "shop.csv"
    listed = first_night(catalogue, 200)
    run("build-index", local, write_catalogue(source, listed))
    shutil.copytree(local, cluster)
    paths, changed = next_night(catalogue, listed, 10)
    write_catalogue(source, listed)

    printed = []
    for index, engine in ((local, ()), (cluster, nodes.options)):
        catalogue.forget()
        printed.append(run("sync", index, source, *options, *engine))
        assert catalogue.requests.total() == (len(listed) if options else len(paths))

    counts = [re.findall(r"\d+ (?:listed|added|moved|changed|with|removed)", p) for p in printed]
    assert counts[0] == counts[1]
    assert (f"{len(changed)} changed" in counts[0]) == bool(options)
    assert content(local) == content(cluster)
    times = added_at(cluster)
    kept = {id_ for id_, time in added_at(local).items() if times[id_] == time}
    assert kept == listed.keys() - {f"new{n}" for n in range(10)} - (changed if options else set())
    assert "nothing changed" in run("sync", cluster, source)
