"""Connections of the server: how many there may be, and how long they may keep it waiting.

uvicorn has one limit for all clients together, and waits without limit for a header section and
for a client that does not read its answer. So its protocol class is extended: each wait for a
client has a limit; the next request of a connection is begun once its last answer is taken, and
one that was sent before (pipelining) not at all; a client has a limit of connections, and of new
ones in a second while the server is overloaded or refuses its requests. So have, together, clients
that never took an answer and then asked again or closed in order. If all connections are taken, one
that keeps the server waiting is closed, of the client that has the most.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from vecsim.web.connection_limits import ConnectionLimits

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)

_LEAST_SECONDS = 1.0
"""Seconds for which no connection is closed to make room for another."""

_CHOSEN_AT_ONCE = 16
"""Connections to close that are chosen at a time: the choice looks at all."""

_NO_VICTIMS_SECONDS = 0.1
"""Seconds for which no connection to close is looked for, for clients for which none was found."""

_READ_BYTES = 65_536
"""What is read from a connection at a time: the others wait while it is parsed."""

_FREE_CHUNKS, _SMALL_CHUNK = 64, 100
"""A body of more than so many chunks must have so many bytes in each on average."""


class LimitedProtocol(H11Protocol):
    """An HTTP/1.1 connection within `limits`, which a subclass of `limited_protocol` has."""

    limits: ConnectionLimits
    conn: _CheckedConnection

    _refused = False
    _answer_pending = False
    _answer_taken = False
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn.__class__ = _CheckedConnection  # cheaper than a second one
        self.client_key = ""
        self.waiting_since: float | None = None
        """Since when the server waits for the client (loop time); None while it works itself."""

    # -- called by the transport --------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a header section, or refuse the connection with status 503."""
        super().connection_made(transport)
        transport.max_size = _READ_BYTES
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` tells of any rest
        self.client_key = self.limits.key(self.client[0] if self.client else "")
        self.limits.counts[self.client_key] += 1
        if not self.limits.may_begin(self.client_key) or not self._make_room():
            self._refused = True
            self.limits.refused += 1
            transport.write(_BUSY)
            transport.close()
            return
        self._wait(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and count the connection no more."""
        self._stop_waiting()
        self.limits.counts[self.client_key] -= 1
        if not self.limits.counts[self.client_key]:
            del self.limits.counts[self.client_key]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request; the timer runs until its headers are complete."""
        if self._refused:
            return
        if self._timer is None and self.conn.their_state is h11.IDLE:
            self.waiting_since = None  # it was idle
            self._go_on()
        super().data_received(data)
        if self.flow.write_paused:
            return  # the timer is that of the answer
        state = self.conn.their_state
        if state is h11.IDLE and self._timer is None:
            self._wait(self.limits.header_seconds)
        elif state is h11.SEND_BODY and (self._timer is not None or self.waiting_since is None):
            self._stop_waiting()
            self.waiting_since = self.loop.time()  # the request guard limits the time of a body
        elif state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_waiting()

    def eof_received(self) -> None:
        """Close the connection, whose client has done so in order."""
        self._go_on()
        super().eof_received()

    def pause_writing(self) -> None:
        """Begin to wait for the client, which has not taken all that was sent."""
        super().pause_writing()
        self._wait(self.limits.write_seconds)

    def resume_writing(self) -> None:
        """Go on: the client has taken everything."""
        super().resume_writing()
        self._stop_waiting()
        if self._answer_pending:
            self._answer_pending = False
            self._end_response()

    # -- called by uvicorn --------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Begin the next request once the client has taken the answer to this one."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._answer_pending = True
        else:
            self._end_response()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; abort it later if its client does not read the response."""
        super().timeout_keep_alive_handler()
        self._wait(self.limits.write_seconds)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, unless an answer has been begun: then just end."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # or the application would answer too, and be logged
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    # -- waiting ------------------------------------------------------------------------------

    def _end_response(self) -> None:
        if self.conn.buffered:
            self.transport.close()
        else:
            self._answer_taken = True
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self.waiting_since = self.loop.time()  # idle: uvicorn has a timer for that

    def _go_on(self) -> None:
        """Note that the client, which has taken an answer, asks again or closes the connection."""
        if self._answer_taken:
            self._answer_taken = False
            self.limits.known.add(self.client_key)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self.waiting_since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self.abort)

    def _stop_waiting(self) -> None:
        self.waiting_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """End the connection at once; what was not sent is lost."""
        self.transport.abort()

    def _make_room(self) -> bool:
        """Return whether this connection can be served, perhaps in place of another one."""
        limits = self.limits
        if len(self.connections) <= limits.total:
            return True
        now, own = self.loop.time(), limits.weight(self.client_key)
        before = now - _LEAST_SECONDS
        if not limits.victims:
            weight, until = limits.no_victims
            if own >= weight and now < until:
                return False
            limits.victims = _victims(own, self.connections, before)
            if not limits.victims:
                limits.no_victims = (own, now + _NO_VICTIMS_SECONDS)
        while limits.victims:
            victim = limits.victims[-1]
            other = limits.weight(victim.client_key)
            if other < own:
                return False  # it may make room for another one
            limits.victims.pop()
            waits = (victim.waiting_since or math.inf) <= before
            if (waits or other > own) and not victim.transport.is_closing():
                victim.abort()
                return True
        return False


def _victims(own: int, connections: Iterable[object], before: float) -> list[LimitedProtocol]:
    """Choose connections to close, the first one last: of clients with many, the longest waits.

    None is of a client that burdens the server less than `own`, the weight of the client of the
    newest connection, or many connections in a short time would close those of others, which are
    idle. If the server waits for none of them since `before` or longer, they are of the client with
    the most, unless that is `own`.
    """
    open_ = [
        (each.limits.weight(each.client_key), each)
        for each in connections
        if isinstance(each, LimitedProtocol) and not each.transport.is_closing()
    ]
    waiting = [
        (-weight, each.waiting_since, each)
        for weight, each in open_
        if weight >= own and each.waiting_since is not None and each.waiting_since <= before
    ]
    if waiting:
        chosen = [each for *_, each in sorted(waiting, key=lambda each: each[:2])]
    else:
        most = max((weight for weight, _ in open_), default=0)
        chosen = [each for weight, each in open_ if most == weight > own]
    return chosen[:_CHOSEN_AT_ONCE][::-1]


class _CheckedConnection(h11.Connection):
    """A connection's parser that refuses bodies in very many very small chunks.

    The head of an answer is sent with the begin of its body: once to the system, and to the client.
    """

    _chunks = 0
    _bytes = 0
    _head = b""

    @property
    def buffered(self) -> int:
        """How many bytes were received and not parsed yet."""
        return len(self._receive_buffer)

    def next_event(self) -> Any:
        """As in h11."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data) and event.chunk_start:
            self._chunks += 1
            self._bytes += len(event.data)
            if self._chunks > _FREE_CHUNKS and self._bytes < self._chunks * _SMALL_CHUNK:
                raise h11.RemoteProtocolError("the chunks of the body are too small")
        return event

    def send(self, event: Any) -> Any:
        """As in h11, but for the bytes of a head, which are returned with the next ones."""
        output = super().send(event)
        if isinstance(event, h11.Response):
            self._head, output = output or b"", b""
        elif output is not None:
            self._head, output = b"", self._head + output
        return output


def limited_protocol(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """Return the protocol class with these limits; uvicorn takes a class, not an object."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})
