"""docs/architecture.md draws the floors that import-linter checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_floors_is_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ")][1:]

    assert [re.findall(r"`(\w+)`", row) for row in rows] == [
        re.split(r" [|:] ", layer) for layer in layers
    ]
