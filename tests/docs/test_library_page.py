"""The library's surface: what the page lists, what can be imported, examples in docstrings."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import vecsim

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
CLASSES = (vecsim.Index, vecsim.ImageEmbedder, vecsim.Matches, vecsim.Clusters)


def public_objects() -> dict[str, Any]:
    """All public names, and the public methods of the classes that do something."""
    found: dict[str, Any] = {name: getattr(vecsim, name) for name in vecsim.__all__}
    for cls in CLASSES:
        for name, member in inspect.getmembers(cls, inspect.isroutine):
            if not name.startswith("_"):
                found[f"{cls.__name__}.{name}"] = member
    return found


MODULES = sorted({thing.__module__ for thing in public_objects().values()})


def test_the_page_lists_exactly_the_public_names() -> None:
    start = PAGE.index("## What is public")
    listed = re.findall(r"`(\w+)`", PAGE[start : PAGE.index("Everything else may change")])

    assert sorted(set(listed) - {"vecsim", "__version__"}) == sorted(vecsim.__all__)


def test_all_public_names_are_listed_before_they_are_imported() -> None:
    code = "import sys, vecsim; print(*dir(vecsim)); print('numpy' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    names, numpy = ran.stdout.splitlines()
    assert set(vecsim.__all__) <= set(names.split())
    assert numpy == "False"


def test_public_functions_have_docstrings_that_name_each_parameter() -> None:
    for cls in (vecsim.Index, vecsim.ImageEmbedder):
        for name, function in inspect.getmembers(cls, inspect.isfunction):
            if not name.startswith("_"):
                assert function.__doc__, f"{cls.__name__}.{name}"


def test_everything_public_has_an_example() -> None:
    assert [name for name, thing in public_objects().items() if ">>>" not in thing.__doc__] == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the pictures below `Pictures`, and these, to be copied."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "demo" / "images", folder / "Pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with vecsim.Index.create("shop", model="phash") as index:
            index.add(sorted(map(str, Path("Pictures").iterdir())))
    return folder


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_run(
    module: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = 0
    for test in doctest.DocTestFinder().find(import_module(module), module):
        if not test.examples:
            continue
        found += 1
        home = tmp_path / str(found)
        shutil.copytree(shop, home)
        monkeypatch.chdir(home)
        test.globs |= {"vecsim": vecsim, "shop": vecsim.Index("shop")}
        if "index." in str(test.docstring):
            test.globs["index"] = vecsim.Index.create("index", model="phash")
        assert runner.run(test).failed == 0, test.name
    assert found
