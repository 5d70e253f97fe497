"""The library's surface: what the page lists, what can be imported, examples in docstrings."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vecsim
from vecsim.api import (
    embedding,
    functions,
    index_calibration,
    index_changes,
    index_searches,
    results,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
DOCUMENTED = [
    embedding,
    functions,
    index_calibration,
    index_changes,
    index_searches,
    results,
]


def test_the_page_lists_exactly_the_public_names() -> None:
    start = PAGE.index("## What is public")
    listed = re.findall(r"`(\w+)`", PAGE[start : PAGE.index("Everything else may change")])

    assert sorted(set(listed) - {"vecsim"}) == sorted(vecsim.__all__)


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


@pytest.mark.parametrize("module", DOCUMENTED, ids=lambda module: module.__name__)
def test_examples_in_docstrings_run(
    module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "demo" / "images", tmp_path / "Pictures")
    monkeypatch.chdir(tmp_path)
    pictures = sorted(f"Pictures/{name}" for name in os.listdir("Pictures"))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = 0
    for test in doctest.DocTestFinder().find(module, module.__name__):  # type: ignore[attr-defined]
        if not test.examples:
            continue
        found += 1
        empty = vecsim.Index.create(f"index{found}", model="phash")
        shop = vecsim.Index.create(f"shop{found}", model="phash")
        if "shop" in test.docstring:
            shop.add(pictures)
        test.globs |= {"vecsim": vecsim, "index": empty, "shop": shop}
        result = runner.run(test)
        assert result.failed == 0, test.name
    assert found
