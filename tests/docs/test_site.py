"""The site builds without warnings and network; its links and figures are correct."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a proxy that does not exist blocks the network."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr
    return folder


@pytest.mark.ci
def test_every_page_is_built(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        place = site / ("" if name.name == "index" else name) / "index.html"
        assert place.is_file(), place


@pytest.mark.ci
def test_pages_load_nothing_from_other_sites(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = r'<(?:script|link|img)\b[^>]*?(?:src|href)="(https?:[^"]+)"'
        loaded = re.findall(loads, page.read_text())
        assert loaded == [], page


def test_the_library_is_documented(site: Path) -> None:
    page = (site / "library" / "index.html").read_text()

    for name in ("api.Index.query", "api.Matches.to_numpy", "errors.VecsimError"):
        assert f'id="vecsim.{name}"' in page
    assert "<blockquote>" not in page, "examples are code"
    assert page.count('class="gp">&gt;&gt;&gt;') > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_are_well_formed(page: Path) -> None:
    """Check links of the README and web links; the build checks links between pages."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https" and "." in parts.netloc, target
        elif parts.path:
            assert (page.parent / parts.path).exists(), target


def _tables(text: str) -> set[str]:
    return {line for line in text.splitlines() if re.match(r"\| .*\d", line)}


def test_quoted_figures_equal_the_measured_ones() -> None:
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    exactness = (ROOT / "docs" / "exactness.md").read_text(encoding="utf-8")
    quoted = _tables(exactness)

    assert len(quoted) == 9
    assert quoted <= _tables(measured)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    seconds = dict(re.findall(r"^\| ([^|]*?) \| ([\d.]+) \|", measured, re.M))
    ways = [
        "NumPy, full float32 matrix",
        "FAISS, `IndexFlatIP.range_search`",
        "FAISS, `IndexFlatIPPanorama`, both rotations counted",
        "vecsim, `match(a, b).to_numpy()` on two indexes",
    ]
    shown = re.findall(r"^\| (?:NumPy|FAISS|vecsim).*?\| ([\d.]+) \|", readme, re.M)
    assert len(shown) == len(ways)
    for way, text in zip(ways, shown, strict=True):
        decimals = len(text.partition(".")[2])
        assert text == f"{float(seconds[way]):.{decimals}f}", way


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60
