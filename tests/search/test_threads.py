"""While the search's threads work, BLAS has none of its own; afterwards it has them again."""

from __future__ import annotations

from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vecsim.search.products import (
    THREAD_COUNT,
    _thread_count,
    single_threaded_blas,
    thread_pool,
)


def blas_threads() -> int:
    """The threads of NumPy's BLAS; FAISS may have loaded another one."""
    return max(
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    )


def test_pool_has_a_thread_per_core_while_blas_is_single_threaded() -> None:
    assert np.ones((2, 2)) @ np.ones(2) @ np.ones(2) == 4
    with threadpool_limits(2, user_api="blas"):
        with thread_pool() as pool:
            assert set(pool.map(lambda _: blas_threads(), range(THREAD_COUNT))) == {1}
            with thread_pool():
                assert blas_threads() == 1
            assert blas_threads() == 1
        assert blas_threads() == 2


def test_overlapping_threads_restore_blas() -> None:
    inside, leave = Event(), Event()

    def another() -> None:
        with single_threaded_blas():
            inside.set()
            leave.wait(10)

    with threadpool_limits(2, user_api="blas"):
        for first_out in (True, False):
            inside.clear()
            leave.clear()
            with single_threaded_blas():
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


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("0", None), ("", None), ("all", None)])
def test_thread_count_follows_omp_num_threads(
    value: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr("vecsim.search.products.usable_cores", lambda: 7)
    assert _thread_count() == (expected or 7)
