"""What the pipeline's threads share: a byte budget, a cache of futures, and chained futures."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class ByteBudget:
    """Limits how many bytes are in flight at once. Thread-safe.

    An item larger than the whole budget is admitted when nothing else is in flight.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes."""
        self._limit = limit
        self._in_flight = 0
        self._closed = False
        self._changed = threading.Condition()

    def acquire(self, size: int) -> bool:
        """Wait until `size` more bytes fit, and count them; False if the budget is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._in_flight or self._in_flight + size <= self._limit
            )
            if self._closed:
                return False
            self._in_flight += size
            return True

    def release(self, size: int) -> None:
        """Give back `size` bytes that `acquire` counted."""
        with self._changed:
            self._in_flight -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Wake all waiters; their `acquire` returns False, as does every later one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class FutureCache(Generic[T]):
    """The most recently used results by key, those still being computed included. Thread-safe."""

    def __init__(self, size: int) -> None:
        """`size`: how many keys are kept; 0 keeps none."""
        self._size = size
        self._futures: OrderedDict[str, Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_create(self, key: str) -> tuple[Future[T], bool]:
        """Return the future of `key`, and whether it is new: then the caller must complete it."""
        with self._lock:
            future = self._futures.get(key)
            if future is not None:
                self._futures.move_to_end(key)
                return future, False
            future = self._futures[key] = Future()
            if len(self._futures) > self._size:
                self._futures.popitem(last=False)
            return future, True


def chain_future(source: Future[S], target: Future[T], convert: Callable[[S], T]) -> None:
    """Complete `target` when `source` is done: with its converted result, or with its error."""

    def complete(done: Future[S]) -> None:
        error = done.exception()
        if error is not None:
            target.set_exception(error)
        else:
            target.set_result(convert(done.result()))

    source.add_done_callback(complete)


def completed_future(result: T) -> Future[T]:
    """Return a future that is done already, with `result`."""
    future: Future[T] = Future()
    future.set_result(result)
    return future
