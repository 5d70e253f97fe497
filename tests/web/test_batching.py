"""Requests that come together, or soon after their last answers, are answered by one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from support.event_loop import run_coroutine
from vecsim.web.batching import Batcher


class Answers:
    """Doubles each number, in the time that is asked for; keeps the sizes of the batches."""

    def __init__(self, seconds: float) -> None:
        self.sizes: list[int] = []
        self._seconds = seconds

    def __call__(self, requests: Sequence[int]) -> list[int | Exception]:
        self.sizes.append(len(requests))
        time.sleep(self._seconds)
        return [ValueError(each) if each < 0 else 2 * each for each in requests]


@contextmanager
def batcher(answers: Answers) -> Iterator[Batcher[int, int]]:
    """A batcher with a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        yield Batcher(thread, answers)


def run(work: Callable[[Batcher[int, int]], Awaitable[object]], answers: Answers) -> object:
    """Run `work` with a batcher."""

    async def main() -> object:
        with batcher(answers) as asked:
            return await work(asked)

    return run_coroutine(main())


def test_clients_that_ask_again_soon_stay_together() -> None:
    answers = Answers(0.08)

    async def client(asked: Batcher[int, int], number: int) -> None:
        # Half of them come while the first batch is being answered.
        await asyncio.sleep(0.02 * (number % 2))
        for _ in range(6):
            assert await asked.ask(number) == 2 * number
            await asyncio.sleep(0.001)

    async def work(asked: Batcher[int, int]) -> None:
        await asyncio.gather(*(client(asked, number) for number in range(8)))

    run(work, answers)
    assert sum(answers.sizes) == 48
    assert answers.sizes.count(8) >= 3, answers.sizes  # without a pause, all are halves


def test_clients_that_do_not_return_are_not_waited_for_long() -> None:
    answers = Answers(0.02)

    async def work(asked: Batcher[int, int]) -> float:
        gone = await asyncio.gather(*map(asked.ask, range(5)))
        assert gone == [0, 2, 4, 6, 8]
        began = time.perf_counter()
        assert await asked.ask(7) == 14
        return time.perf_counter() - began

    seconds = run(work, answers)
    assert answers.sizes == [5, 1]
    assert isinstance(seconds, float) and seconds < 1


def test_a_request_fails_alone_and_cancelled_ones_are_left_out() -> None:
    answers = Answers(0)

    async def work(asked: Batcher[int, int]) -> list[int | BaseException]:
        tasks = [asyncio.ensure_future(asked.ask(number)) for number in (1, -2, 3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    cancelled, failed, answered = run(work, answers)  # type: ignore[misc]
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(failed, ValueError)
    assert answered == 6
