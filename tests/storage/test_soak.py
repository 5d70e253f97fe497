"""Many processes change one index, and are killed: VECSIM_SOAK_SECONDS long, by default 1,800."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_soak(tmp_path: Path) -> None:
    seconds = float(os.environ.get("VECSIM_SOAK_SECONDS") or 1_800)
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(tests / "support/storage/soak.py"), str(tmp_path), str(seconds)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=seconds + 600,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
