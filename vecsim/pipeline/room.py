"""How many bytes of pictures may be on their way at once."""

from __future__ import annotations

import threading


class Room:
    """A budget that threads wait for. One item larger than all of it passes when alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._open = True
        self._changed = threading.Condition()

    def enter(self, size: int) -> bool:
        """Wait until `size` bytes fit; False when the budget was closed meanwhile."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._open or not self._used or self._used + size <= self._size
            )
            self._used += size
            return self._open

    def leave(self, size: int) -> None:
        """Give `size` bytes back."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody who waits go home."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
