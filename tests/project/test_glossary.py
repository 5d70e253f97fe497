"""docs/glossary.md: every name and file in code font exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def test_every_name_in_code_font_is_in_the_code() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "vecsim").rglob("*.py"))
    words = set(re.findall(r"[\w.-]+", code))
    named = set(re.findall(r"`([\w.-]+)`", PAGE))
    assert len(named) > 60
    assert sorted(named - words - {"code font"}) == []


def test_every_path_exists() -> None:
    paths = re.findall(r"`([\w.-]+/[\w./-]+)`", PAGE)
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_architecture_page_links_to_it() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert "(glossary.md)" in architecture
