"""docs/architecture.md: its table of layers is the contract, and its map lists every module."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_table_of_layers_is_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    rows = [line.split("|")[2] for line in _section("Layers").splitlines() if line[:2] == "| "][1:]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [
        re.split(r" [|:] ", layer) for layer in layers
    ]


def test_the_map_lists_every_module_and_no_other() -> None:
    listed, folder = set(), ""
    for line in _section("Where to look").splitlines():
        if line.startswith("### "):
            heading = re.match(r"### `([\w/]+)`", line)
            folder = f"{heading[1]}/" if heading else ""
        elif entry := re.match(r"- `([\w/.]+)`: \S", line):
            listed.add(folder + entry[1])
    package = ROOT / "vecsim"
    modules = {file.relative_to(package).as_posix() for file in package.rglob("*.py")}
    plain = {name for name in modules if not name.endswith("__init__.py")}
    scripts = {"web/static/search.js"}
    assert sorted(plain - listed) == []
    assert sorted(listed - modules - scripts) == []


def test_every_path_exists() -> None:
    paths = re.findall(r"`((?:vecsim|docs|tests|benchmarks|training|\.ci)/[\w./-]*)`", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
