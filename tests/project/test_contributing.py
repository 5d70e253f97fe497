"""CONTRIBUTING.md: its commands work, and the files that it names exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.splitlines()
]
# Not the command without arguments: it selects what this run does.
PYTEST = [command for command in COMMANDS if " -m pytest " in command]


def test_the_set_up_is_that_of_the_readme() -> None:
    assert COMMANDS[0] in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", PYTEST)
@pytest.mark.ci
def test_each_test_command_selects_tests(command: str) -> None:
    words = shlex.split(command)
    assert words[:3] == [".venv/bin/python", "-m", "pytest"]
    ran = subprocess.run(
        [sys.executable, *words[1:], "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\d+(/\d+)? tests? collected", ran.stdout)


@pytest.mark.ci
def test_the_match_with_debug_output_works(tmp_path: Path) -> None:
    command = next(each for each in COMMANDS if "--debug match" in each)
    program, *arguments = shlex.split(command.replace("demo/", f"{ROOT}/demo/"))
    assert program == ".venv/bin/vecsim"
    ran = subprocess.run(
        [sys.executable, "-m", "vecsim", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 5  # the heading and four pairs


def test_every_command_is_one_of_ours() -> None:
    programs = {shlex.split(command)[0] for command in COMMANDS}
    assert programs == {"python3", ".ci/check", ".venv/bin/python", ".venv/bin/vecsim"}


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:\.ci|docs|tests|vecsim)/[\w./-]*)`", PAGE)
    named += re.findall(r"`([A-Z]+\.md)`", PAGE)
    assert len(named) > 20
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
