"""The deadline of the image that a thread is fetching, enforced by the sockets themselves.

The timeouts of requests and urllib3 bound a single wait for data: a server that sends one byte of
its headers every second would hold a thread forever. Here every read from a socket first reduces
its timeout to what remains until the deadline.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any


class DeadlineError(TimeoutError):
    """The deadline of the image has passed."""


class Deadline(threading.local):
    """The deadline of the fetch that the current thread runs; each thread has its own.

    `end`: when it passes, by `time.monotonic`. `read_timeout`: seconds that one read may wait.
    """

    end = float("inf")
    read_timeout = 20.0

    def start(self, seconds: float, read_timeout: float) -> None:
        """Begin a fetch that may take `seconds`, and `read_timeout` for a single read."""
        self.end = time.monotonic() + seconds
        self.read_timeout = read_timeout

    def extend(self, seconds: float) -> None:
        """Postpone the deadline by `seconds` in which the server had nothing to do."""
        self.end += seconds

    def remaining(self) -> float:
        """Return the seconds until the deadline, negative once it has passed."""
        return self.end - time.monotonic()

    def limit_timeout(self, timeout: float) -> float:
        """Return `timeout` or the seconds remaining, whichever is less.

        Raises `DeadlineError` if the deadline has passed.
        """
        remaining = self.remaining()
        if remaining <= 0:
            raise DeadlineError("the deadline of this image has passed")
        return min(timeout, remaining)


current_deadline = Deadline()


class DeadlineSocket(socket.socket):
    """A socket whose reads do not wait past the deadline of the current thread."""

    def recv_into(self, *arguments: Any) -> int:
        """As `socket.recv_into`."""
        self.settimeout(current_deadline.limit_timeout(current_deadline.read_timeout))
        return super().recv_into(*arguments)


class DeadlineTlsSocket(ssl.SSLSocket):
    """A TLS socket whose reads do not wait past the deadline of the current thread.

    One read of a TLS socket may take many packets, which `ssl` counts as one wait.
    """

    def recv_into(self, *arguments: Any) -> int:
        """As `ssl.SSLSocket.recv_into`."""
        self.settimeout(current_deadline.limit_timeout(current_deadline.read_timeout))
        return super().recv_into(*arguments)
