"""A real browser, for the tests of pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium of the distribution, driven by Playwright.

    Skips where either is missing, unless `VECSIM_REQUIRE` names "browser".
    """
    needed = "browser" in os.environ.get("VECSIM_REQUIRE", "").split(",")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        if needed:
            raise
        pytest.skip("no playwright: pip install playwright")
    if not CHROMIUM.exists():
        if needed:
            pytest.fail(f"{CHROMIUM} is missing, and VECSIM_REQUIRE asks for a browser")
        pytest.skip(f"no browser at {CHROMIUM}: apt install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"]
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield running
        running.close()
