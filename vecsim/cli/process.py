"""The command line as a process of its own, which begins and ends quickly."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from vecsim.cli.main import main

_SHORT_COMMAND = 100_000
"""Objects that a command makes which only asks an index something, at the most."""


def run() -> None:
    """Run the command that the process was started with, and end it."""
    _put_off_collecting()
    status: list[int] = []

    def end() -> None:
        """End without taking every module apart, which would take a fifth of a query's time."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        if status:
            os._exit(status[0])

    # What is registered first is called last: after all that others have to do in the end.
    atexit.register(end)
    try:
        main()
    except SystemExit as exit_:
        if isinstance(exit_.code, int):
            status.append(exit_.code)
        raise


def _put_off_collecting() -> None:
    """Have Python look for garbage late for the first time, and then as often as ever.

    Imports make many objects and no garbage: looking for some all the while takes long. A long run
    makes much, and would hold hundreds of megabytes of it.
    """
    usual = gc.get_threshold()

    def first(phase: str, info: dict[str, int]) -> None:
        gc.callbacks.remove(first)
        gc.set_threshold(*usual)

    gc.callbacks.append(first)
    gc.set_threshold(_SHORT_COMMAND)
