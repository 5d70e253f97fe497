"""HTTP for clients that take their time: what uvicorn leaves open ends here.

uvicorn waits for ever for the head of a request that comes byte by byte or not at all, and for a
client that does not read its answer. Nobody needs long for either.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class PatientProtocol(H11Protocol):
    """One connection, with limits on its patience set by `limits`."""

    header_seconds = 10.0
    max_connections = 512

    _head_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: Any) -> None:
        """Start waiting for a request, or turn the client away."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refused = True
            transport.write(_BUSY)
            transport.close()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; its head must be complete in time, however it is cut."""
        if self._refused:
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._head_timer is None:
                self._expect_head()
        else:
            self._forget_head()

    def timeout_keep_alive_handler(self) -> None:
        """Close; a client that does not read its last answer is cut off a little later."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.header_seconds, self._abort)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.header_seconds, self._abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _abort(self) -> None:
        self.transport.abort()


def patient_protocol(header_seconds: float, max_connections: int) -> type[PatientProtocol]:
    """The protocol with these limits; uvicorn takes a class."""
    limits = {"header_seconds": header_seconds, "max_connections": max_connections}
    return type("LimitedProtocol", (PatientProtocol,), limits)
