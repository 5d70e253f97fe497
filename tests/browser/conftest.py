"""Fixtures for tests in Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.report_page import write
from support.web_indexes import built, vectors  # noqa: F401 (fixtures)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]


def missing(what: str) -> None:
    """Skip the test with a reason; fail instead if VECSIM_REQUIRE names the browser, as in CI."""
    text = f"no browser tests: {what}"
    if "browser" in os.environ.get("VECSIM_REQUIRE", "").split(","):
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: VECSIM_CHROMIUM, else the one on the PATH."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed (pip install playwright)")
    executable = os.environ.get("VECSIM_CHROMIUM") or shutil.which("chromium")
    if not executable:
        missing("there is no chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """Console errors and network requests of a page."""

    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """The hosts to which requests went."""
        return {urlsplit(url).netloc for url in self.requests if url.startswith(("http", "ws"))}


@pytest.fixture
def watched() -> Watched:
    """Console errors and requests of this test's page; a test may clear expected errors."""
    return Watched()


@pytest.fixture
def page(browser: Any, watched: Watched) -> Iterator[Any]:
    """A page of 1400 x 900 pixels in its own context; the test fails if the page logs an error."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", lambda said: _note(watched, said))
    page.on("pageerror", lambda error: watched.problems.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    yield page
    context.close()
    assert watched.problems == []


def _note(watched: Watched, said: Any) -> None:
    if said.type in ("error", "warning"):
        watched.problems.append(f"{said.type}: {said.text}")


@pytest.fixture
def show(page: Any, tmp_path: Path) -> Callable[..., Any]:
    """Write a report to a file and open it."""

    def show(pairs: list[tuple[int, int, float]] | Path, **head: Any) -> Any:
        path = pairs if isinstance(pairs, Path) else write(tmp_path / "report.html", pairs, **head)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-state]")
        page.wait_for_selector("main:not([aria-busy])")
        return page

    return show
