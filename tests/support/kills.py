"""Ends a block of code at its n-th change of files, as a kill of the process would.

Python tells audit hooks of each change before it happens. From the n-th one on, all fail, so that
nothing that would run after an error can change a file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.storage.forks import forked

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
        if self.base and is_change(event, args, self.base):
            self.left -= 1
            if self.left <= 0:
                self.left = 0
                raise Killed


def is_change(event: str, args: tuple[Any, ...], base: str) -> bool:
    """Whether an audit event is a change, or the opening, of a file below `base`."""
    if event == "ctypes.dlsym":
        return args[1] == "renameat2"
    if event == "open" or event in _CHANGES:
        return isinstance(args[0], str | bytes) and os.fsdecode(args[0]).startswith(base)
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


def killed_in_fork(number: int, base: Path, work: Callable[[], object]) -> None:
    """Run `work` in a fork that is killed at its `number`-th file operation or SQL statement.

    As a kill by the system, this runs no handler. An error of `work` is raised here as text.
    """

    def counted() -> str:
        left = number

        def count(_: object = None) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def on_event(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "sqlite3.connect/handle":
                arguments[0].set_trace_callback(count)
            elif is_change(event, arguments, str(base)):
                count()

        sys.addaudithook(on_event)
        work()
        return ""

    status, text = forked(counted)
    assert status in (0, 1, -signal.SIGKILL), text
