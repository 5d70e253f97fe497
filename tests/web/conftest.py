"""Fixtures for tests of the web server."""
# ruff: noqa: F811 (fixtures are arguments of other fixtures)

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import HostileServer, good
from support.web_indexes import built, vectors  # noqa: F401 (fixtures)
from support.web_server import PICTURES, Server, serving


@pytest.fixture(scope="session")
def reader(built: Path, vectors: Path) -> Iterator[Server]:
    """A read-only server of both indexes, shared by all tests."""
    with serving(built, vectors) as server:
        yield server


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the index of pictures that the test may change."""
    return Path(shutil.copytree(built, tmp_path / "six"))


@pytest.fixture(scope="module")
def changed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index that `writer` changes; shared by the tests of a module."""
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("changed") / "six"))


@pytest.fixture(scope="module")
def writer(changed: Path) -> Iterator[Server]:
    """A server with writes and private addresses allowed."""
    with serving(changed, allow_writes=True, allow_private=True) as server:
        yield server


@pytest.fixture
def shop() -> Iterator[HostileServer]:
    """An HTTP server with the six pictures at /1.jpg to /6.jpg; status 404 otherwise."""
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    with HostileServer(routes) as running:
        yield running
