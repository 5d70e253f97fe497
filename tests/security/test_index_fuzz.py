"""Indexes changed at random by a stranger: no crash, no hang, no touch of other files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.on_disk import scratch

HERE = Path(__file__).resolve().parents[1] / "support" / "security"


def attack(script: str, count: int, *numbers: int) -> list[str]:
    """Run a script of tests/support/security; return what it found to be wrong.

    `numbers`: the seed and what else the script takes.
    """
    with scratch() as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VECSIM_")}
        path = os.pathsep.join([str(HERE.parents[1]), *filter(None, sys.path)])
        environment |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "VECSIM_MODEL": "phash"}
        done = subprocess.run(
            [sys.executable, str(HERE / script), str(folder), *map(str, [count, *numbers])],
            capture_output=True,
            text=True,
            env=environment,
            timeout=20_000,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    *wrong, ran = done.stdout.splitlines()
    assert int(ran) == count
    return wrong


@pytest.mark.ci
def test_no_command_touches_files_that_an_index_links_to() -> None:
    assert attack("links.py", 6, 1) == []


@pytest.mark.slow
def test_no_command_touches_files_that_an_index_links_to_at_length() -> None:
    assert attack("links.py", 500, 2) == []


@pytest.mark.ci
def test_changed_indexes() -> None:
    assert attack("fuzz.py", 60, 1) == []


@pytest.mark.slow
def test_sample_of_index_mutants() -> None:
    """CI runs this one."""
    assert attack("fuzz.py", 500, 2) == []


@pytest.mark.slow
def test_changed_indexes_at_length() -> None:
    """VECSIM_MUTANTS=FIRST-END takes a part of the 50,000, so that parts can run at other times."""
    first, _, end = os.environ.get("VECSIM_MUTANTS", "0-50000").partition("-")
    assert attack("fuzz.py", int(end) - int(first), 3, int(first)) == []
