"""Batches of requests: those that wait at the same time are answered by one call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

_LARGEST_BATCH = 64
"""Requests of a batch at most: the results of all must fit into memory."""

_LONGEST_PAUSE, _SHARE = 0.01, 0.25
"""The longest pause before a batch: in seconds, and as a share of the time of the last batch."""


class Batcher(Generic[Q, A]):
    """Collects requests while a thread is busy, and gives them to it as one batch.

    Clients that got answers together mostly ask again soon: the next batch is begun once as many
    requests wait as the last one left waiting and answered, or after a short pause. Otherwise half
    of the clients would always wait for the other half, in batches half as large.

    For one event loop. A request whose task was cancelled is left out of the batch.
    """

    def __init__(
        self, thread: Executor, answer: Callable[[Sequence[Q]], Sequence[A | Exception]]
    ) -> None:
        """`answer`: returns an answer or an error for each request of a batch; `thread` runs it."""
        self._thread = thread
        self._answer = answer
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._busy = False
        """Whether the thread answers a batch, or the next batch is planned."""
        self._began = 0.0
        # How many requests are expected after the last batch, and until when they are waited for.
        self._expected, self._until = 0, 0.0
        self._pause: asyncio.TimerHandle | None = None

    async def ask(self, request: Q) -> A:
        """Return the answer to a request, or raise its error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((request, future))
        if not self._busy:
            self._busy = True
            self._plan(loop)
        elif self._pause is not None and len(self._waiting) >= self._expected:
            self._start(loop)
        return await future

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Plan the next batch: after this pass of the event loop, or when expected ones wait."""
        if len(self._waiting) < self._expected and loop.time() < self._until:
            self._pause = loop.call_at(self._until, self._start, loop)
        else:
            loop.call_soon(self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the next batch to the thread, if any request waits."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._began = loop.time()
        taken: list[tuple[Q, asyncio.Future[A]]] = []
        while self._waiting and len(taken) < _LARGEST_BATCH:
            request, future = self._waiting.popleft()
            if not future.done():
                taken.append((request, future))
        self._busy = bool(taken)
        if not taken:
            return
        requests, futures = zip(*taken, strict=True)
        try:
            work = self._thread.submit(self._answer, requests)
        except RuntimeError as error:  # the server is shutting down
            self._finish(loop, futures, [error] * len(futures))
            return

        def done(work: Future[Sequence[A | Exception]]) -> None:
            error = work.exception()
            answers = work.result() if error is None else [_as_exception(error)] * len(futures)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._finish, loop, futures, answers)

        work.add_done_callback(done)

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        futures: Sequence[asyncio.Future[A]],
        answers: Sequence[A | Exception],
    ) -> None:
        self._expected = min(_LARGEST_BATCH, len(futures) + len(self._waiting))
        pause = min(_LONGEST_PAUSE, _SHARE * (loop.time() - self._began))
        self._until = loop.time() + pause if self._expected > 1 else 0.0
        self._busy = bool(self._waiting)
        if self._busy:
            self._plan(loop)
        for future, answer in zip(futures, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
