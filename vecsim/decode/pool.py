"""Decoder processes that can die, hang or balloon without taking the run with them.

Each process has a thread here that feeds it, always ahead of its work. A process answers in order,
so when it dies, the first image without an answer is the one that killed it; the others go on to
the next process.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

from vecsim.decode.limits import DecodeLimits
from vecsim.decode.process import DecoderProcess
from vecsim.decode.wire import DecoderSettings
from vecsim.errors import FailureKind, ImageError, VecsimError
from vecsim.records import Decoded, Preparation

_AHEAD = 3
"""Images given to a process at a time: the one it decodes and the next ones, so that it does not
wait for this (busy) interpreter between two images."""

_START_DEADLINE = 60.0
_MAX_FALSE_STARTS = 3
"""Seconds a process may take to start, and how many may fail to in a row before images do."""

_MAX_DEATHS = 2
"""Processes an image may take with it. The first may have been killed for another's memory."""


class _Task:
    """An image file on its way, and how many processes have died over it."""

    __slots__ = ("data", "deaths", "future")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.deaths = 0
        self.future: Future[Decoded] = Future()


class DecoderPool:
    """`workers` processes that decode images for one model's `preparation`.

    The processes start with the first image. `submit` may be called from many threads and does
    not wait: the caller bounds how much it has under way. Use as a context manager, or `close`.
    """

    def __init__(
        self,
        workers: int,
        preparation: Preparation,
        limits: DecodeLimits | None = None,
        *,
        thumbnails: bool = False,
    ) -> None:
        """`thumbnails`: whether a small WebP of each picture is made as well."""
        self._limits = limits = limits or DecodeLimits()
        settings = DecoderSettings(preparation, limits, thumbnails)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._feeders = [
            _Feeder(self._tasks, lambda: DecoderProcess(settings), limits.deadline)
            for _ in range(max(1, workers))
        ]
        self._watch = threading.Thread(target=self._stop_overdue, daemon=True)
        self._lock = threading.Lock()
        self._started = False
        self._closed = threading.Event()

    def submit(self, data: bytes) -> Future[Decoded]:
        """Decode `data` (an image file) in one of the processes.

        The future's `result()` raises `ImageError`, of kind "crashed" where the decoder died or
        passed its deadline; `VecsimError` if no decoder process can be started at all.
        """
        task = _Task(data)
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("the decoder pool is closed")
            if not self._started:
                self._started = True
                for thread in (*self._feeders, self._watch):
                    thread.start()
            self._tasks.put(task)
        return task.future

    def close(self, *, wait: bool = True) -> None:
        """End the processes: with `wait` after all that was submitted, without it now.

        Without `wait`, futures that have not begun are cancelled and the others fail.
        """
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            if not self._started:
                return
            if not wait:
                self._abandon()
            for _ in self._feeders:
                self._tasks.put(None)
        for thread in (*self._feeders, self._watch):
            thread.join()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(wait=kind is None)

    def _abandon(self) -> None:
        with contextlib.suppress(queue.Empty):
            while (task := self._tasks.get(block=False)) is not None:
                task.future.cancel()
        for feeder in self._feeders:
            feeder.abandon()

    def _stop_overdue(self) -> None:
        """Kill each process that is over its deadline; its feeder sees to the rest."""
        pause = min(0.2, self._limits.deadline / 4)
        while any(feeder.is_alive() for feeder in self._feeders):
            for feeder in self._feeders:
                feeder.stop_if_overdue()
            if self._closed.is_set():
                pause = min(0.02, pause)
            time.sleep(pause)


class _Feeder(threading.Thread):
    """The thread that feeds one decoder process, and the next one when that has died."""

    def __init__(
        self,
        tasks: queue.SimpleQueue[_Task | None],
        start_process: Callable[[], DecoderProcess],
        deadline: float,
    ) -> None:
        super().__init__(name="vecsim-decoder", daemon=True)
        self._tasks = tasks
        self._start_process = start_process
        self._deadline = deadline
        self._process: DecoderProcess | None = None
        self._under_way: deque[_Task] = deque()
        self._sent = 0  # how many of those the present process has
        self._until = float("inf")  # when the present step is overdue (monotonic time)
        self._overdue = False
        self._false_starts = 0
        self._no_more = False
        self._abandoned = False

    def run(self) -> None:
        while not self._abandoned and self._collect():
            try:
                answer = self._next_answer()
            except (EOFError, OSError, ValueError, KeyError, TypeError):
                self._bury()
            else:
                self._settle(answer)
        if self._under_way:
            self._give_up(
                ImageError(FailureKind.CRASHED, "the decoder pool was closed before its turn")
            )
        if self._process is not None:
            self._process.close()

    def abandon(self) -> None:
        """Stop now, whatever is under way."""
        self._abandoned = True
        if (process := self._process) is not None:
            process.kill()

    def stop_if_overdue(self) -> None:
        """Kill the process if its present image, or its start, takes too long."""
        process = self._process
        if process is not None and time.monotonic() > self._until:
            self._overdue = True
            process.kill()

    def _collect(self) -> bool:
        """Take images while there is room, waiting only if there is none; False at the end."""
        while len(self._under_way) < _AHEAD and not self._no_more:
            try:
                task = self._tasks.get(block=not self._under_way)
            except queue.Empty:
                break
            if task is None:
                self._no_more = True
            elif task.future.set_running_or_notify_cancel():
                self._under_way.append(task)
        return bool(self._under_way)

    def _next_answer(self) -> Decoded | ImageError:
        process = self._process
        if process is None:
            self._until = time.monotonic() + _START_DEADLINE
            process = self._process = self._start_process()
            process.wait_until_ready()
            self._false_starts = 0
            if self._abandoned:
                raise EOFError("nobody waits for an answer any more")
        while self._sent < len(self._under_way):
            self._sent += 1
            if self._sent == 1:
                self._until = time.monotonic() + self._deadline
            process.send(self._under_way[self._sent - 1].data)
        return process.answer()

    def _settle(self, answer: Decoded | ImageError) -> None:
        """Hand the answer to whoever waits for the first image."""
        task = self._under_way.popleft()
        self._sent -= 1
        self._until = time.monotonic() + self._deadline if self._sent else float("inf")
        if isinstance(answer, ImageError):
            task.future.set_exception(answer)
        else:
            task.future.set_result(answer)

    def _bury(self) -> None:
        """Find out who is to blame for the death of the process; everything else is sent again."""
        self._until = float("inf")
        process, self._process = self._process, None
        ending = process.bury() if process is not None else "it did not start"
        sent, self._sent = self._sent, 0
        overdue, self._overdue = self._overdue, False
        if not sent:
            self._false_starts += 1
            if self._false_starts >= _MAX_FALSE_STARTS:
                self._false_starts = 0
                self._give_up(VecsimError(f"decoder processes do not start ({ending})"))
            return
        task = self._under_way[0]
        task.deaths += 1
        if overdue:
            self._give_up(
                ImageError(
                    FailureKind.CRASHED, f"decoding did not end within {self._deadline:g} s"
                ),
                task,
            )
        elif task.deaths >= _MAX_DEATHS:
            self._give_up(ImageError(FailureKind.CRASHED, f"the decoder died ({ending})"), task)

    def _give_up(self, error: VecsimError, task: _Task | None = None) -> None:
        """Fail the first image, `task`, or all under way."""
        doomed = list(self._under_way) if task is None else [task]
        for each in doomed:
            self._under_way.remove(each)
            each.future.set_exception(error)
