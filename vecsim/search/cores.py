"""All cores of the machine, each with one thread.

NumPy's BLAS has threads of its own, which go on spinning for a tenth of a second after a product in
case there is another. While ours work, they would take the cores away from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

from vecsim.machine import usable_cores


def _threads() -> int:
    """What OMP_NUM_THREADS says, which Ray sets to a worker's share; else all cores."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return usable_cores()


THREADS = _threads()


@contextmanager
def all_cores() -> Iterator[ThreadPoolExecutor]:
    """A thread for each core; meanwhile NumPy's products keep to the thread that asks for them."""
    with ThreadPoolExecutor(THREADS) as pool, quiet_blas():
        yield pool


def quiet_blas() -> AbstractContextManager[object]:
    """BLAS without threads of its own, while it lasts.

    That is so for the whole process. Of threads that want it at the same time one decides, and the
    others change nothing: threadpoolctl sees to it that in the end all is as it was.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
