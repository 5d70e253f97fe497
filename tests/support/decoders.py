"""Finds the decoder processes of a process, which are forked from its template; waits for them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from support.pictures import decoded


def decoder_processes(of: int | None = None) -> list[int]:
    """Return the ids of the decoder processes of a process, by default of this one."""
    return [process for template in templates(of) for process in _children(template)]


def templates(of: int | None = None) -> list[int]:
    """Return the ids of the templates of a process, one at most, by default of this one."""
    children = _children(of or os.getpid())
    return [child for child in children if "vecsim.decode.template" in _command(child)]


def _children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # the process has just ended
        for task in Path(f"/proc/{process}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _command(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.01)


def same(pixels: object, data: bytes) -> bool:
    return np.array_equal(np.asarray(pixels), decoded(data).pixels)
