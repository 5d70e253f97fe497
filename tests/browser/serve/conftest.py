"""Fixtures for tests of the pages of `vecsim serve` in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.serve_page import TIMEOUT_MS
from support.servers import HostileServer, good
from support.web_server import PICTURES, Server, serving


@pytest.fixture(scope="session")
def server(built: Path, vectors: Path, tmp_path_factory) -> Iterator[Server]:
    """A server of both indexes with writes and private addresses allowed.

    All tests share it, so one that adds an image removes it again.
    """
    path = shutil.copytree(built, tmp_path_factory.mktemp("page") / "six")
    with serving(path, vectors, allow_writes=True, allow_private=True) as running:
        yield running


@pytest.fixture(scope="session")
def shop() -> Iterator[HostileServer]:
    """The six pictures at /1.jpg to /6.jpg; everything else is a 404."""
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    with HostileServer(routes) as running:
        yield running


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """A page; the test fails after a script error or a violation of the content security policy."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    # The browser itself logs responses with a status of 4xx.
    opened.on(
        "console",
        lambda said: (
            wrong.append(said.text)
            if said.type == "error" and "Failed to load resource" not in said.text
            else None
        ),
    )
    yield opened
    context.close()
    assert wrong == []
