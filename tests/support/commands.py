"""Runs the real `vecsim` command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start `vecsim` with `arguments`; without the proxies of the environment."""
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-m", "vecsim", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, "VECSIM_MODEL": "phash", "OMP_NUM_THREADS": "1", **environment},
    )


def run(*arguments: str | Path, status: int | Collection[int] = 0, **environment: str) -> str:
    """Run `vecsim`, check its exit status, and return standard output and error."""
    with start(*arguments, **environment) as process:
        out, err = process.communicate(timeout=300)
    allowed = [status] if isinstance(status, int) else status
    assert process.returncode in allowed, f"status {process.returncode}\n{out}\n{err}"
    return out + err


def without_progress(text: str) -> str:
    """The output of a command without its progress lines, which appear on slow machines only."""
    return "".join(line for line in text.splitlines(keepends=True) if " img/s" not in line)
