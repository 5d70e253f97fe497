"""`ByteBudget`, `FutureCache` and chained futures."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from vecsim.pipeline.concurrency import ByteBudget, FutureCache, chain_future, completed_future


class Acquisition(threading.Thread):
    """Acquires `size` bytes in a thread of its own; `result` is None until `acquire` returns."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        super().__init__(daemon=True)
        self.result: bool | None = None
        self._budget = budget
        self._size = size
        self.start()

    def run(self) -> None:
        self.result = self._budget.acquire(self._size)

    def is_waiting(self) -> bool:
        self.join(0.05)
        return self.is_alive()


def test_acquire_waits_until_enough_bytes_are_released() -> None:
    budget = ByteBudget(100)
    assert budget.acquire(60)
    assert budget.acquire(40)
    waiting = Acquisition(budget, 50)
    assert waiting.is_waiting()
    budget.release(40)
    assert waiting.is_waiting()
    budget.release(60)
    waiting.join(5)
    assert waiting.result is True


def test_an_item_above_the_limit_is_admitted_alone() -> None:
    budget = ByteBudget(100)
    assert budget.acquire(1000)
    waiting = Acquisition(budget, 1)
    assert waiting.is_waiting()
    budget.release(1000)
    waiting.join(5)
    assert waiting.result is True


def test_closing_wakes_waiters_whose_acquire_returns_false() -> None:
    budget = ByteBudget(100)
    assert budget.acquire(100)
    waiters = [Acquisition(budget, 50) for _ in range(3)]
    assert all(waiter.is_waiting() for waiter in waiters)
    budget.close()
    for waiter in waiters:
        waiter.join(5)
    assert [waiter.result for waiter in waiters] == [False] * 3
    assert not budget.acquire(1)


def test_the_budget_is_never_exceeded_by_many_threads() -> None:
    budget = ByteBudget(100)
    lock = threading.Lock()
    in_flight, peak = 0, 0

    def work() -> None:
        nonlocal in_flight, peak
        for size in (10, 30, 50) * 30:
            assert budget.acquire(size)
            with lock:
                in_flight += size
                peak = max(peak, in_flight)
            with lock:
                in_flight -= size
            budget.release(size)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 50 <= peak <= 100


def test_the_cache_returns_one_future_for_a_key() -> None:
    cache: FutureCache[int] = FutureCache(2)
    first, is_new = cache.get_or_create("a")
    assert is_new
    assert cache.get_or_create("a") == (first, False)


def test_the_cache_forgets_the_least_recently_used_key() -> None:
    cache: FutureCache[int] = FutureCache(2)
    for key in "aba":
        cache.get_or_create(key)
    cache.get_or_create("c")
    assert [cache.get_or_create(key)[1] for key in "acb"] == [False, False, True]


def test_a_cache_of_size_zero_keeps_nothing() -> None:
    cache: FutureCache[int] = FutureCache(0)
    assert cache.get_or_create("a")[1]
    assert cache.get_or_create("a")[1]


def test_a_chained_future_gets_the_converted_result() -> None:
    source: Future[int] = Future()
    target: Future[str] = Future()
    chain_future(source, target, str)
    assert not target.done()
    source.set_result(7)
    assert target.result() == "7"


def test_a_chained_future_gets_the_error() -> None:
    source: Future[int] = Future()
    target: Future[str] = Future()
    chain_future(source, target, str)
    source.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        target.result()


def test_a_completed_future_has_its_result() -> None:
    assert completed_future(7).result(timeout=0) == 7
