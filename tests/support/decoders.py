"""Finds the decoder processes of a process, which are forked from its template."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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
