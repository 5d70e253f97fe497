"""Ends a block of code at its n-th change of files, as a kill of the process would.

Python tells audit hooks of each change before it happens. From the n-th one on, all fail, so that
nothing that would run after an error can change a file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = {
    *("os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"),
    *("os.utime", "os.chown", "shutil.rmtree"),
}


class Killed(BaseException):
    """The work was ended; no handler of errors may catch this."""


class _Killer:
    def __init__(self) -> None:
        self.base = ""
        self.left = 0
        self.installed = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.base and self._counts(event, args):
            self.left -= 1
            if self.left <= 0:
                self.left = 0
                raise Killed

    def _counts(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "ctypes.dlsym":
            return args[1] == "renameat2"
        if event == "open" or event in _CHANGES:
            return isinstance(args[0], str | bytes) and os.fsdecode(args[0]).startswith(self.base)
        return False


_killer = _Killer()


@contextmanager
def killed_at(number: int, base: Path) -> Iterator[None]:
    """End the block at its `number`-th change or opening of a file below `base`, by `Killed`.

    The exception ends with the block; 0 ends nothing.
    """
    if not _killer.installed:
        sys.addaudithook(_killer)
        _killer.installed = True
    _killer.left = number
    _killer.base = str(base) if number else ""
    try:
        yield
    except Killed:
        pass
    finally:
        _killer.base = ""


def was_killed() -> bool:
    """Whether the last block was ended before its end."""
    return _killer.left == 0
