"""Each file operation of each change fails or kills the process: nothing committed is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.on_disk import scratch
from support.storage import changes, walk

HERE = Path(__file__).resolve().parents[1] / "support" / "storage"


def take(shim: Path, change: str, modes: str, stride: int) -> int:
    """Interrupt a change at each operation; returns the number of runs, fails on any fault."""
    with scratch() as folder:
        command = [sys.executable, str(HERE / "walk.py"), change, modes, str(folder), str(stride)]
        path = os.pathsep.join([str(HERE.parents[1]), *filter(None, sys.path)])
        environment = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": path}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**environment, "OMP_NUM_THREADS": "1"},
            timeout=1800,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    *wrong, runs = done.stdout.splitlines()
    assert (done.stderr, wrong) == ("", [])
    return int(runs)


# The sample takes every n-th operation; a change has between 20 and 450 of them.
STRIDES = {
    "create": 41,
    "add": 47,
    "merge": 29,
    "remove": 23,
    "compact": 37,
    "refresh": 23,
    "turn": 17,
    "sync": 23,
    "calibrate": 5,
    "apply": 11,
    "repair": 107,
}


@pytest.mark.parametrize("change", changes.CHANGES)
@pytest.mark.ci
def test_sample_of_operations(change: str, shim: Path) -> None:
    assert take(shim, change, "kill,ENOSPC", STRIDES[change]) > 4


@pytest.mark.ci
def test_error_at_each_operation_of_create(shim: Path) -> None:
    """At each operation, for thumbnails.db: SQLite reports no error of closing a file."""
    assert take(shim, "create", "EIO", 7) > 30


@pytest.mark.slow
@pytest.mark.parametrize("mode", walk.MODES)
@pytest.mark.parametrize("change", changes.CHANGES)
def test_every_operation(change: str, mode: str, shim: Path) -> None:
    runs = take(shim, change, mode, 1)
    print(f"{change}, {mode}: {runs:,} operations")
    assert runs > 2 * STRIDES[change]
