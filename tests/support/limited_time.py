"""A limit of processor time for a part of a test, however busy the machine is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Raise AssertionError if the block, in the main thread, takes more processor time."""

    def too_long(number: int, frame: object) -> None:
        raise AssertionError(f"takes more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
