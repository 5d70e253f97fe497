"""The total deadline of an image, kept by the sockets themselves.

The timeouts of requests and urllib3 bound a single silence: a server that sends a byte of its
headers every second holds a thread for ever. Here every read of a socket first shortens its
timeout to what is left of the deadline of the image that the thread is fetching.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any


class DeadlineError(TimeoutError):
    """The total time of the image is over."""


class Clock(threading.local):
    """How long the fetch that this thread is in may still wait. Times are `time.monotonic`."""

    until = float("inf")
    read_timeout = 20.0

    def start(self, deadline: float, read_timeout: float) -> None:
        """Begin an image: `deadline` seconds from now, at most `read_timeout` of silence."""
        self.until = time.monotonic() + deadline
        self.read_timeout = read_timeout

    def extend(self, seconds: float) -> None:
        """Do not count `seconds` that were no fault of the server."""
        self.until += seconds

    def left(self) -> float:
        """Seconds left, below 0 when over."""
        return self.until - time.monotonic()

    def patience(self, most: float) -> float:
        """`most` or what is left, whichever is less; raises `DeadlineError` if nothing is."""
        left = self.left()
        if left <= 0:
            raise DeadlineError("the time for this image is over")
        return min(most, left)


clock = Clock()


class DeadlineSocket(socket.socket):
    """A socket that never waits past the deadline of the thread's image."""

    def recv_into(self, *arguments: Any) -> int:
        """As `socket.recv_into`."""
        self.settimeout(clock.patience(clock.read_timeout))
        return super().recv_into(*arguments)


class DeadlineTlsSocket(ssl.SSLSocket):
    """The same for TLS, where one read may take many packets: `ssl` counts them as one wait."""

    def recv_into(self, *arguments: Any) -> int:
        """As `ssl.SSLSocket.recv_into`."""
        self.settimeout(clock.patience(clock.read_timeout))
        return super().recv_into(*arguments)
