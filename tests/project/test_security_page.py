"""SECURITY.md: each threat names a test that is there, and each test of attacks is named."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("| threat |")[2].splitlines()[2:]
    if line.startswith("|")
]


def test_each_threat_names_tests_that_exist() -> None:
    assert len(ROWS) > 15
    for threat, happens, tests in ROWS:
        named = re.findall(r"`(tests/[\w/.]+\.py)`", tests)
        assert threat and happens and named, threat
        assert [path for path in named if not (ROOT / path).is_file()] == [], threat


def test_each_test_of_attacks_guards_against_a_threat() -> None:
    modules = {f"tests/security/{path.name}" for path in (ROOT / "tests/security").glob("test_*")}
    assert sorted(modules - set(re.findall(r"`(tests/security/\w+\.py)`", PAGE))) == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert target.startswith("https://") or (ROOT / target).exists(), target
