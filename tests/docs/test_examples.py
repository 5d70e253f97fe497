"""Every example of the documentation runs and prints the output on the page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.examples import PICTURES, READ_ONLY, ROOT, Runner, blocks, environment, shop

# Examples of commands.md come from the help of the commands, whose tests parse them; those of
# http-api.md are tested with the server, those of move-to-database.md with databases.
ELSEWHERE = {"commands.md", "http-api.md", "move-to-database.md"}
# All others are run by CI alone.
QUICK = {"tutorial.md", "library.md", "clean-folder.md", "match-catalogues.md"}
PAGES = [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.name not in ELSEWHERE and blocks(page)
]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT / "docs")),
            marks=[] if page.name in QUICK else [pytest.mark.ci],
        )
        for page in PAGES
    ],
)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, programs = tmp_path / "home", tmp_path / "programs"
    programs.mkdir()
    shutil.copytree(PICTURES, home / "Pictures")
    with shop() as proxy:
        variables = environment(home, proxy, programs)
        for name in os.environ.keys() - variables.keys():
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(home)
        monkeypatch.syspath_prepend(home)
        runner = Runner(home, variables)
        for block in blocks(page):
            runner.run(page, block)


def test_blocks_that_are_not_run_contain_no_code() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.language in READ_ONLY - {"diff"} and not block.title:
                assert "$ " not in block.text and "import " not in block.text, (page, block.line)


def test_the_examples_of_the_readme_are_those_that_ci_runs() -> None:
    """CI runs the two `sh` blocks of the README."""
    readme = blocks(ROOT / "README.md")
    assert {block.language for block in readme} <= {"sh"}
    assert len(readme) == 2
