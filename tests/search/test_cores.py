"""While our threads work, BLAS has none of its own; afterwards all is as it was."""

from __future__ import annotations

from threading import Event, Thread

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from vecsim.search.cores import THREADS, all_cores, quiet_blas


def blas_threads() -> int:
    """NumPy's alone: FAISS may have brought another."""
    return max(
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    )


def test_a_thread_for_each_core_and_none_of_blas() -> None:
    assert np.ones((2, 2)) @ np.ones(2) @ np.ones(2) == 4
    with threadpool_limits(2, user_api="blas"):
        with all_cores() as pool:
            assert set(pool.map(lambda _: blas_threads(), range(THREADS))) == {1}
            with all_cores():
                assert blas_threads() == 1
            assert blas_threads() == 1
        assert blas_threads() == 2


def test_threads_that_overlap_leave_all_as_it_was() -> None:
    inside, leave = Event(), Event()

    def another() -> None:
        with quiet_blas():
            inside.set()
            leave.wait(10)

    with threadpool_limits(2, user_api="blas"):
        for first_out in (True, False):
            inside.clear()
            leave.clear()
            with quiet_blas():
                thread = Thread(target=another)
                thread.start()
                assert inside.wait(10)
                if first_out:
                    leave.set()
                    thread.join()
                    assert blas_threads() == 1
            leave.set()
            thread.join()
            assert blas_threads() == 2
