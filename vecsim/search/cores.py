"""All cores of the machine, each with one thread.

NumPy's BLAS has threads of its own, which go on spinning for a tenth of a second after a product in
case there is another. While ours work, they would take the cores away from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController


def _threads() -> int:
    """What OMP_NUM_THREADS says, which Ray sets to a worker's share; else all cores."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


THREADS = _threads()


@contextmanager
def all_cores() -> Iterator[ThreadPoolExecutor]:
    """A thread for each core; meanwhile a product of NumPy's keeps to the thread that asks for it.

    That is so for the whole process: the first to enter says it, the last to leave takes it back.
    """
    with ThreadPoolExecutor(THREADS) as pool, quiet_blas:
        yield pool


class _QuietBlas:
    """BLAS on one thread for as long as anybody is inside."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._turn:
            if not self._inside:
                self._limit = _blas().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


quiet_blas = _QuietBlas()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
