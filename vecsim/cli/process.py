"""The command line as a process of its own, which begins and ends quickly."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from vecsim.cli.main import main


def run() -> None:
    """Run the command that the process was started with, and end it."""
    # Imports make many objects and no garbage: looking for some all the while takes long.
    gc.set_threshold(50_000)
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
