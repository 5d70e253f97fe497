"""A queue in which clients take turns: one that puts in many items does not delay the others."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of several clients, each client's in the order in which they came. Thread-safe."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, deque[T]] = OrderedDict()
        self._ended = 0
        self._changed = threading.Condition()

    def put(self, item: T, client: str = "") -> None:
        """Add an item of a client."""
        with self._changed:
            self._items.setdefault(client, deque()).append(item)
            self._changed.notify()

    def end(self, count: int) -> None:
        """Let `count` callers of `get` have None, once no item is left."""
        with self._changed:
            self._ended += count
            self._changed.notify_all()

    def get(self, *, block: bool = True) -> T | None:
        """Take the first item of the client whose turn it is; None after `end`.

        Raises `queue.Empty` if there is nothing, unless it may `block`.
        """
        with self._changed:
            while not self._items:
                if self._ended:
                    self._ended -= 1
                    return None
                if not block:
                    raise queue.Empty
                self._changed.wait()
            client, items = self._items.popitem(last=False)
            item = items.popleft()
            if items:
                self._items[client] = items  # behind all others
            return item
