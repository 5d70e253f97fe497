"""Runs the real `vecsim` command, in a process of its own or in this one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from vecsim.cli import main


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


def run_bound_by_modes(*arguments: str | Path, status: int = 0) -> str:
    """As `run`; what a mode forbids is forbidden to root too."""
    command = [sys.executable, "-m", "vecsim", *map(str, arguments)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads every folder, and there is no setpriv to change that")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == status, f"status {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


def run_here(*arguments: str | Path, status: int = 0) -> str:
    """As `run`, but in this process, which need not start and import vecsim again."""
    return "".join(_run_here(arguments, status))


def said_here(*arguments: str | Path, status: int = 0) -> str:
    """As `run_here`; returns standard error alone."""
    return _run_here(arguments, status)[1]


def _run_here(arguments: Sequence[str | Path], status: int) -> tuple[str, str]:
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    printed, said = (stream.buffer.getvalue().decode() for stream in (out, err))
    assert ended.value.code == status, f"status {ended.value.code}\n{printed}{said}"
    return printed, said


def without_progress(text: str) -> str:
    """The output of a command without its progress lines, which appear on slow machines only."""
    return "".join(line for line in text.splitlines(keepends=True) if " img/s" not in line)
