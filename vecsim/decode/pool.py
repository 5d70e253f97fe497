"""A pool of decoder processes: one that crashes, hangs or takes too much memory fails one image.

Each process has a thread here that feeds it, a few images ahead. A process answers in order, so
when it dies, the first image without an answer is the one that killed it; the others go on to the
next process.
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

from vecsim.decode.fair_queue import FairQueue
from vecsim.decode.limits import THUMBNAIL_SIDE, DecodeLimits
from vecsim.decode.process import DecoderProcess
from vecsim.decode.wire import DecoderSettings
from vecsim.errors import FailureKind, ImageError, VecsimError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

_PREFETCH = 3
"""Images sent to a process before it answers: the one it decodes and the next ones, so that it does
not wait for this (busy) interpreter between two images."""

_START_DEADLINE = 60.0
"""Seconds a process may take to start."""

_MAX_FAILED_STARTS = 3
"""Failed starts in a row, after which images fail."""

_MAX_CRASHES = 2
"""Crashes after which an image fails. At the first one, memory may have been short for a reason
that has nothing to do with the image."""


class _Task:
    """An image file to decode, its future, and how many processes have crashed on it."""

    __slots__ = ("crashes", "data", "future", "thumbnail")

    def __init__(self, data: bytes, thumbnail: bool) -> None:
        self.data = data
        self.thumbnail = thumbnail
        self.crashes = 0
        self.future: Future[Decoded] = Future()


class DecoderPool:
    """`workers` processes that decode images for one model's `preparation`.

    The processes start with the first image. `submit` may be called from many threads and does
    not wait: the caller limits how many images are in flight. Use as a context manager, or `close`.
    """

    def __init__(
        self,
        workers: int,
        preparation: Preparation,
        limits: DecodeLimits | None = None,
        *,
        thumbnails: bool = False,
        thumbnail_side: int = THUMBNAIL_SIDE,
        prefetch: int = _PREFETCH,
    ) -> None:
        """`thumbnails`: whether a small file of each picture is made as well, `thumbnail_side`
        pixels long at most. `prefetch`: images that are given to a process at a time; with 1, none
        waits for another one while a process is free.
        """
        self._limits = limits = limits or DecodeLimits()
        settings = DecoderSettings(preparation, limits, thumbnail_side if thumbnails else 0)
        self._tasks: FairQueue[_Task] = FairQueue()
        self._feeders = [
            _Feeder(self._tasks, lambda: DecoderProcess(settings), limits.deadline, prefetch)
            for _ in range(max(1, workers))
        ]
        self._watch = threading.Thread(target=self._watch_deadlines, daemon=True)
        self._lock = threading.Lock()
        self._started = False
        self._closed = False
        self._feeders_ended = threading.Event()

    def submit(self, data: bytes, client: str = "", *, thumbnail: bool = True) -> Future[Decoded]:
        """Decode `data` (an image file) in one of the processes; clients take turns.

        `thumbnail`: False for a picture that needs none, in a pool that makes thumbnails.
        The future's `result()` raises `ImageError`, of kind "crashed" if the process died or took
        longer than its deadline; `VecsimError` if no decoder process can be started.
        """
        task = _Task(data, thumbnail)
        with self._lock:
            if self._closed:
                raise RuntimeError("the decoder pool is closed")
            if not self._started:
                self._started = True
                for thread in (*self._feeders, self._watch):
                    thread.start()
            self._tasks.put(task, client)
        return task.future

    def close(self, *, wait: bool = True) -> None:
        """End the processes: with `wait` after all submitted images are decoded, else now.

        Without `wait`, futures of images not yet sent are cancelled and the others fail.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if not self._started:
                return
            if not wait:
                self._abandon()
            self._tasks.end(len(self._feeders))
        # The garbage collector may close a pool in one of its own threads.
        for feeder in self._feeders:
            if feeder is not threading.current_thread():
                feeder.join()
        self._feeders_ended.set()
        if self._watch is not threading.current_thread():
            self._watch.join()

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

    def _watch_deadlines(self) -> None:
        """Kill each process that is over its deadline, until all feeders have ended."""
        pause = min(0.2, self._limits.deadline / 4)
        while not self._feeders_ended.wait(pause):
            for feeder in self._feeders:
                feeder.stop_if_overdue()


class _Feeder(threading.Thread):
    """The thread that feeds one decoder process, and its successor when the process has died."""

    def __init__(
        self,
        tasks: FairQueue[_Task],
        start_process: Callable[[], DecoderProcess],
        deadline: float,
        prefetch: int,
    ) -> None:
        super().__init__(name="vecsim-decoder", daemon=True)
        self._tasks = tasks
        self._start_process = start_process
        self._deadline = deadline
        self._prefetch = prefetch
        self._process: DecoderProcess | None = None
        self._in_flight: deque[_Task] = deque()
        self._sent = 0  # how many of those were sent to the current process
        self._due = float("inf")  # when the current step must be done (monotonic time)
        self._overdue = False
        self._failed_starts = 0
        self._closing = False
        self._abandoned = False

    def run(self) -> None:
        while not self._abandoned and self._collect():
            try:
                answer = self._receive()
            except (EOFError, OSError, ValueError, KeyError, TypeError):
                self._replace_process()
            else:
                self._deliver(answer)
        if self._in_flight:
            self._fail(
                ImageError(FailureKind.CRASHED, "the decoder pool was closed before its turn")
            )
        if self._process is not None:
            self._process.close()

    def abandon(self) -> None:
        """Stop now, whatever is in flight."""
        self._abandoned = True
        if (process := self._process) is not None:
            process.kill()

    def stop_if_overdue(self) -> None:
        """Kill the process if its current image, or its start, takes too long."""
        process = self._process
        if process is not None and time.monotonic() > self._due:
            self._overdue = True
            process.kill()

    def _collect(self) -> bool:
        """Take images up to `prefetch`, waiting only for the first; False when the pool closes."""
        while len(self._in_flight) < self._prefetch and not self._closing:
            try:
                task = self._tasks.get(block=not self._in_flight)
            except queue.Empty:
                break
            if task is None:
                self._closing = True
            elif task.future.set_running_or_notify_cancel():
                self._in_flight.append(task)
        return bool(self._in_flight)

    def _receive(self) -> Decoded | ImageError:
        process = self._process
        if process is None:
            self._due = time.monotonic() + _START_DEADLINE
            process = self._process = self._start_process()
            process.wait_until_ready()
            self._failed_starts = 0
            if self._abandoned:
                raise EOFError("the pool was closed")
        while self._sent < len(self._in_flight):
            self._sent += 1
            if self._sent == 1:
                self._due = time.monotonic() + self._deadline
            task = self._in_flight[self._sent - 1]
            process.send(task.data, task.thumbnail)
        return process.receive()

    def _deliver(self, answer: Decoded | ImageError) -> None:
        """Set the result of the first image in flight."""
        task = self._in_flight.popleft()
        self._sent -= 1
        self._due = time.monotonic() + self._deadline if self._sent else float("inf")
        if isinstance(answer, ImageError):
            task.future.set_exception(answer)
        else:
            task.future.set_result(answer)

    def _replace_process(self) -> None:
        """After the process has died, fail the image that killed it; send the others again."""
        self._due = float("inf")
        process, self._process = self._process, None
        ending = process.end_after_failure() if process is not None else "it did not start"
        sent, self._sent = self._sent, 0
        overdue, self._overdue = self._overdue, False
        if not sent:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                self._failed_starts = 0
                self._fail(VecsimError(f"decoder processes do not start ({ending})"))
            return
        task = self._in_flight[0]
        task.crashes += 1
        if overdue:
            self._fail(
                ImageError(
                    FailureKind.CRASHED, f"decoding did not end within {self._deadline:g} s"
                ),
                task,
            )
        elif task.crashes >= _MAX_CRASHES:
            self._fail(ImageError(FailureKind.CRASHED, f"the decoder died ({ending})"), task)

    def _fail(self, error: VecsimError, task: _Task | None = None) -> None:
        """Fail the image of `task`, or all images in flight."""
        failing = list(self._in_flight) if task is None else [task]
        for each in failing:
            self._in_flight.remove(each)
            each.future.set_exception(error)
