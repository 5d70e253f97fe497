"""Damages each region of each file: verify names the file, searches are right or fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.on_disk import scratch

HERE = Path(__file__).resolve().parents[1] / "support" / "storage"


def harm(kinds: str, step: int, seed: int) -> tuple[int, int]:
    """Damage files every `step` bytes; returns the numbers of damages and of harmless ones."""
    with scratch() as folder:
        command = [sys.executable, str(HERE / "harm.py"), str(folder), kinds, str(step), str(seed)]
        path = os.pathsep.join([str(HERE.parents[1]), *filter(None, sys.path)])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VECSIM_")}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**environment, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            timeout=3600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    *wrong, counts = done.stdout.splitlines()
    assert (done.stderr, wrong) == ("", []), "\n".join(wrong)
    count, harmless = map(int, counts.split())
    return count, harmless


@pytest.mark.parametrize(
    ("kinds", "step"),
    [
        pytest.param("catalog", 24_000, marks=pytest.mark.ci),
        pytest.param("log", 12_000, marks=pytest.mark.ci),
        ("segment,lock,fingerprint", 1_500),
        pytest.param("thumbnails,thumbnails-log", 16_000, marks=pytest.mark.ci),
    ],
)
@pytest.mark.ci
def test_sample_of_regions(kinds: str, step: int) -> None:
    count, harmless = harm(kinds, step, seed=7)
    assert count >= 6
    assert harmless < count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "step"),
    [
        ("catalog", 200),
        ("log", 500),
        ("segment", 20),
        ("sketch", 100),
        ("lock,fingerprint", 4),
        ("thumbnails", 200),
        ("thumbnails-log", 500),
    ],
)
def test_every_region(kinds: str, step: int) -> None:
    count, harmless = harm(kinds, step, seed=1)
    print(f"{kinds}: {count:,} damages, {harmless:,} of them to unused bytes")
    assert count > 20
    assert harmless < count
