"""Fixtures of the server's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.servers import HostileServer, good
from support.web_server import PICTURES, Server, serving
from vecsim import Index
from vecsim.errors import FAILURE_KINDS
from vecsim.operations.building import build_index
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import ImageRef

HOSTILE_ID = '"><img src=x onerror=alert(1)>/../é?&#'


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the demo's pictures by phash, ids 1 to 6 and one that hurts; one failure."""
    path = tmp_path_factory.mktemp("built") / "six"
    refs = [
        ImageRef(
            str(number), str(PICTURES / f"{number}.jpg"), {"title": f"<b>picture</b> {number}"}
        )
        for number in range(1, 7)
    ]
    refs.append(ImageRef(HOSTILE_ID, str(PICTURES / "6.jpg"), {"title": "<script>"}))
    refs.append(ImageRef("gone", "/nowhere/<i>gone</i>.jpg"))
    report = build_index(path, refs, RunOptions(ModelChoice("phash")))
    assert (report.added, report.failed) == (7, 1)
    assert "no-file" in FAILURE_KINDS
    return path


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 300 own vectors, ids v0 to v299."""
    path = tmp_path_factory.mktemp("built") / "vectors"
    made = np.random.default_rng(7).standard_normal((300, 24)).astype(np.float32)
    made[100:130] = made[:30] + 0.1 * made[130:160]
    Index.from_vectors(path, made, [f"v{row}" for row in range(300)]).close()
    return path


@pytest.fixture(scope="session")
def reader(built: Path, vectors: Path) -> Iterator[Server]:
    """A server of both indexes that only reads, for all tests that leave it as it is."""
    with serving(built, vectors) as server:
        yield server


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The index of pictures, to do with as one likes."""
    return Path(shutil.copytree(built, tmp_path / "six"))


@pytest.fixture(scope="module")
def changed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index that `writer` changes, from one test of a file to the next."""
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("changed") / "six"))


@pytest.fixture(scope="module")
def writer(changed: Path) -> Iterator[Server]:
    """A server that may change its index, and fetch from this machine."""
    with serving(changed, allow_writes=True, allow_private=True) as server:
        yield server


@pytest.fixture
def shop() -> Iterator[HostileServer]:
    """The six pictures at /1.jpg to /6.jpg; everything else is a 404."""
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    with HostileServer(routes) as running:
        yield running
