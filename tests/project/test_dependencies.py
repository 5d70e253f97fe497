"""vecsim imports exactly the packages that pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STUBS_ONLY = {"_typeshed"}  # exists for type checkers alone


def _name(requirement: str) -> str:
    """The normalised name of the package that a requirement names."""
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(folder: Path) -> set[str]:
    """The top-level names that the modules below `folder` import, outside the standard library."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - STUBS_ONLY - {"vecsim"}


@pytest.mark.ci
def test_every_imported_package_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    used = [
        packages for name, packages in extras.items() if name not in ("databases", "dev", "docs")
    ]
    declared = {_name(each) for group in [PROJECT["dependencies"], *used] for each in group}
    distributions = {
        "pillow_jxl": ["pillow-jxl-plugin"],
        "prometheus_client": ["prometheus-client"],
        **packages_distributions(),
    }
    undeclared = {
        name
        for name in _imported(ROOT / "vecsim")
        if not {_name(each) for each in distributions.get(name, [name])} & declared
    }
    assert undeclared == set()


def test_every_declared_package_is_imported() -> None:
    distributions = packages_distributions()
    imported = {
        _name(each)
        for name in _imported(ROOT / "vecsim")
        for each in distributions.get(name, [name])
    }
    # FastAPI reads forms with this package.
    needed_by_others = {"python-multipart"}
    declared = {
        _name(each)
        for group in [PROJECT["dependencies"], PROJECT["optional-dependencies"]["web"]]
        for each in group
    }
    assert declared - imported == needed_by_others
