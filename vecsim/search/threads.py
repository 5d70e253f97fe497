"""Threads of the search: one per core, while BLAS keeps to the thread that calls it.

NumPy's BLAS has threads of its own, which keep spinning for a tenth of a second after a product in
case another one follows. During a search they would take the cores from the search's threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

from vecsim.machine import usable_cores


def _thread_count() -> int:
    """Return OMP_NUM_THREADS, which Ray sets to a worker's share, or else all usable cores."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdecimal() and int(limit) else usable_cores()


THREAD_COUNT = _thread_count()


@contextmanager
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool with one thread per core; meanwhile BLAS is single-threaded."""
    with ThreadPoolExecutor(THREAD_COUNT) as pool, single_threaded_blas():
        yield pool


def single_threaded_blas() -> AbstractContextManager[object]:
    """Limit BLAS to the calling thread, in the whole process, for the duration of the block.

    Several threads may do so at the same time: threadpoolctl restores the state before the first.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
