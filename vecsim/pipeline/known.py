"""Images whose bytes or URL were met before: fetched once, embedded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from vecsim.records import Decoded, Float32

T = TypeVar("T")

# (SHA-256) -> what the index holds for these bytes, or None. Called from many threads.
Lookup = Callable[[str], "Known | None"]


class Known:
    """What was learned from some bytes: vector (dim,), the picture's size, format, thumbnail."""

    __slots__ = ("format", "height", "thumbnail", "vector", "width")

    def __init__(
        self, vector: Float32, width: int, height: int, format: str, thumbnail: bytes = b""
    ) -> None:
        self.vector = vector
        self.width = width
        self.height = height
        self.format = format
        self.thumbnail = thumbnail

    @classmethod
    def of(cls, vector: Float32, decoded: Decoded) -> Known:
        """What a decoded and embedded picture taught."""
        return cls(vector, decoded.width, decoded.height, decoded.format, decoded.thumbnail)


class Recent(Generic[T]):
    """The last few results by name, those still being worked on included."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._futures: OrderedDict[str, Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def claim(self, name: str) -> tuple[Future[T], bool]:
        """The future of `name`, and whether the caller is the one who must fulfil it."""
        with self._lock:
            future = self._futures.get(name)
            if future is not None:
                self._futures.move_to_end(name)
                return future, False
            future = self._futures[name] = Future()
            if len(self._futures) > self._size:
                self._futures.popitem(last=False)
            return future, True
