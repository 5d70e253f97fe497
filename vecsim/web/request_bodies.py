"""Receives the bodies of requests, within limits of size and time, of one client and of all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError, busy
from vecsim.web.sharing import ClientBudget

# Size limits in bytes: of a body without a picture, of a list of choices, and of the form around an
# uploaded picture.
_MAX_JSON_BYTES = 1_000_000
_MAX_CHOICES_BYTES = 16_000_000
_FORM_OVERHEAD = 65_536

# Bytes in memory of all bodies, and of one client's. A body of the largest size is always taken
# from a client that sends no other.
_ALL_BODIES, _CLIENT_BODIES = 128_000_000, 32_000_000

# How much of a refused body is still read, and of how many clients at a time. Without it the client
# would see a reset connection instead of the error response.
_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 4_000_000
_DRAINS = 5

_WITHOUT_BODY = frozenset({"GET", "HEAD"})
"""Methods of requests that mostly have no body: if the head announces none, none is waited for."""

_LEAST_SECONDS = 1.0
"""Seconds for which no body gives way to others."""

_FEW_BODIES = 2
"""Bodies at a time that each client may send, however slowly others send theirs. The limit of
connections limits how many these are together."""


class DisconnectedError(Exception):
    """The client closed the connection."""


@dataclass(eq=False)
class _Incomplete:
    """A body that is being received, for a limited time. `began`: loop time. `size`: bytes.

    `dropped`: it gave way to others.
    """

    client: str
    began: float
    timeout: asyncio.Timeout
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    dropped: bool = False


class Bodies:
    """All bodies that are being received, or are in memory until they are released.

    If the memory for them is taken, a body that is not complete after a second gives way to those
    of clients that have sent less: otherwise a few clients that stop in the middle of large bodies
    would keep all others from sending any.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        largest = options.max_bytes + _FORM_OVERHEAD
        self._bytes = ClientBudget(max(_ALL_BODIES, 4 * largest), max(_CLIENT_BODIES, largest))
        count = options.max_connections // 4
        self._receiving = ClientBudget(count, options.max_client_requests, at_least=_FEW_BODIES)
        self._drains = ClientBudget(_DRAINS, 1)
        self._incomplete: list[_Incomplete] = []

    async def receive(self, client: str, scope: Scope, receive: Receive) -> bytes:
        """Receive the whole body of a request, whose bytes count until they are released.

        Raises `ProblemError` beyond a limit of size, time or number, `DisconnectedError`.
        """
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        without = announced == "0" and "transfer-encoding" not in headers
        if without and scope.get("method") in _WITHOUT_BODY:
            return b""
        max_bytes = _MAX_JSON_BYTES
        if scope["path"].endswith("/search/upload"):
            max_bytes = self._options.max_bytes + _FORM_OVERHEAD
        elif self._options.allow_files and scope["path"].endswith("/apply"):
            max_bytes = _MAX_CHOICES_BYTES
        if not self._receiving.acquire(client):
            raise busy("this client sends too many bodies at a time.")
        length = int(announced) if announced.isdecimal() and len(announced) < 19 else max_bytes + 1
        try:
            async with asyncio.timeout(self._options.body_seconds) as timeout:
                if length > max_bytes:
                    await self._drain(client, receive)
                    raise _too_large(max_bytes)
                body = _Incomplete(client, asyncio.get_running_loop().time(), timeout)
                return await self._read(body, receive, max_bytes)
        except TimeoutError as error:
            raise ProblemError(
                408,
                "too-slow",
                f"the body comes too slowly: it may take {self._options.body_seconds:g} s, and "
                f"less while others need the room.",
                "Send less, or over a faster connection.",
            ) from error
        finally:
            self._receiving.release(client)

    def release(self, client: str, size: int) -> None:
        """Count the bytes of a body no more."""
        self._bytes.release(client, size)

    async def _read(self, body: _Incomplete, receive: Receive, max_bytes: int) -> bytes:
        self._incomplete.append(body)
        try:
            while True:
                message = await receive()
                if body.dropped:  # its time ends only now
                    raise TimeoutError
                if message["type"] == "http.disconnect":
                    raise DisconnectedError
                part, more = message.get("body", b""), message.get("more_body", False)
                if body.size + len(part) > max_bytes:
                    if more:
                        await self._drain(body.client, receive)
                    raise _too_large(max_bytes)
                if not self._take(body, len(part)):
                    raise busy("too many uploads are in progress.")
                body.parts.append(part)
                if not more:
                    return b"".join(body.parts)
        except BaseException:
            self._drop(body)
            raise
        finally:
            self._incomplete.remove(body)

    def _take(self, body: _Incomplete, size: int) -> bool:
        """Count more bytes of a body; False if there is no room for them.

        Bodies of clients that have more bytes give way, the largest first.
        """
        before = asyncio.get_running_loop().time() - _LEAST_SECONDS
        own = self._bytes.amount(body.client) + size
        while not self._bytes.acquire(body.client, size):
            others = [
                each
                for each in self._incomplete
                if each.began < before and each.size and self._bytes.amount(each.client) > own
            ]
            if not others or own > self._bytes.per_client:
                return False
            largest = max(others, key=lambda each: each.size)
            self._drop(largest)
            largest.dropped = True
            largest.timeout.reschedule(before)
        body.size += size
        return True

    def _drop(self, body: _Incomplete) -> None:
        self.release(body.client, body.size)
        body.parts, body.size = [], 0

    async def _drain(self, client: str, receive: Receive) -> None:
        """Read and drop the rest of a body, for a limited time and up to a limited size."""
        if not self._drains.acquire(client):
            return
        size = 0
        try:
            async with asyncio.timeout(min(_DRAIN_SECONDS, self._options.body_seconds / 2)):
                while size < _DRAIN_BYTES:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
        except TimeoutError:
            return
        finally:
            self._drains.release(client)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(
        413,
        "too-large",
        f"the body is larger than {max_bytes:,} bytes.",
        "Send a smaller picture, or fewer images at once.",
    )
