"""Fixtures of the tests of handovers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.stores import KINDS, Kind, postgres_server
from vecsim import Index


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A place for PostgreSQL, whose socket needs a short path."""
    with postgres_server(Path(tempfile.mkdtemp(prefix="vecsim-pg-", dir="/tmp"))):
        yield


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of store whose packages are installed."""
    found: Kind = KINDS[request.param]
    found.require()
    return found


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of 300 vectors with URLs and fields; some carry one field more, one id is odd."""
    vectors = np.random.default_rng(0).normal(size=(300, 24)).astype(np.float32)
    ids = [f"item-{n}" for n in range(299)] + ['odd "quoted" \u2603 id']
    urls = [f"http://shop.example/{n}.jpg" for n in range(300)]
    fields = [{"title": f"Ünï {n}", **({"a.b c": ""} if n % 3 else {})} for n in range(300)]
    with Index.from_vectors(tmp_path / "shop", vectors, ids, "clip", urls=urls, fields=fields):
        return tmp_path / "shop"
