"""Middleware in front of the application: access checks, size and time limits.

Every request passes here first. One that is complete and allowed is passed on with its body in
memory, so a slow or huge client occupies nothing but its own connection. An answer is complete
before its first byte is sent, so a client that does not read does not keep a request in progress.
What requests take together is limited, and what one client takes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecsim.web.access import AccessRules, with_security_headers
from vecsim.web.connections import client_of
from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError, busy
from vecsim.web.sharing import ClientBudget, LoadMeter, RecentCounter, Turns

# Size limits in bytes: of a body without a picture, of a list of choices, and of the form around an
# uploaded picture.
_MAX_JSON_BYTES = 1_000_000
_MAX_CHOICES_BYTES = 16_000_000
_FORM_OVERHEAD = 65_536

# Bytes in memory: of all bodies and of one client's; of all answers that are being sent and of one
# client's. A body of the largest size is always taken from a client that sends no other.
_ALL_BODIES, _CLIENT_BODIES = 128_000_000, 32_000_000
_ALL_ANSWERS, _CLIENT_ANSWERS = 64_000_000, 16_000_000

# How much of a refused body is still read, and of how many clients at a time. Without it the client
# would see a reset connection instead of the error response.
_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 4_000_000
_DRAINS = 5

_QUICK_REQUESTS = 16
"""Requests at a time of those that only read an index or a file. The others wait, and clients take
turns: each gets the same share of the event loop."""

_MANY_WAITING = 2 * _QUICK_REQUESTS
_LONG_LAG = 0.1  # seconds
_FEW_REFUSALS = 5  # a second

_FEW_CONNECTIONS = 12
"""New ones of a client in a second that are always allowed: a browser opens six for the parts of a
page, and shows a broken page if one is refused."""

_BURDENS = frozenset({408, 413, 431, 503})
"""Statuses of requests that are too slow, too large or too many."""

_LONG_PATHS = (
    "/search/url",
    "/search/upload",
    "/images",
    "/groups",
    "/picture",
    "/decisions",
    "/apply",
    "/undo",
    "/login",
)
"""Ends of the paths of requests that wait: for another server, a picture, a thread of the index."""


class RequestGuard:
    """ASGI middleware: checks access, reads the body, limits what clients take at a time."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._options = options
        self._access = AccessRules(options)
        largest = options.max_bytes + _FORM_OVERHEAD
        self._open = ClientBudget(options.max_connections, options.max_client_connections)
        self._requests = ClientBudget(options.max_requests, options.max_client_requests)
        self._fetching = ClientBudget(options.max_requests // 4, options.max_client_requests // 4)
        self._receiving = ClientBudget(options.max_connections // 4, options.max_client_requests)
        self.turns = Turns(_QUICK_REQUESTS)
        self.load = LoadMeter()
        self._refusals = RecentCounter()
        self._bodies = ClientBudget(max(_ALL_BODIES, 4 * largest), max(_CLIENT_BODIES, largest))
        self._answers = ClientBudget(_ALL_ANSWERS, _CLIENT_ANSWERS)
        self._drains = ClientBudget(_DRAINS, 1)

    @property
    def active_requests(self) -> int:
        """API requests in progress, of those that wait for something."""
        return self._requests.taken + self._fetching.taken

    def admits(self, client: str, recent: int) -> bool:
        """Whether a client may open one more connection, of so many in this second.

        Not if its requests are refused again and again, and not many while all requests wait longer
        than anybody should notice: a refused connection costs less than a request.
        """
        if self._refusals.count(client) > _FEW_REFUSALS:
            return False
        overloaded = self.turns.waiting > _MANY_WAITING or self.load.lag > _LONG_LAG
        return recent <= _FEW_CONNECTIONS or not overloaded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with an error or a redirect to the login page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.load.start(asyncio.get_running_loop())
        sending = with_security_headers(send)
        client = client_of(scope)
        if not self._open.acquire(client):
            self._refusals.add(client)
            await _refuse(busy("this client has too many open requests."), scope, receive, sending)
            return
        try:
            await self._answer(client, scope, receive, sending)
        finally:
            self._open.release(client)

    async def _answer(self, client: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, receive its body, and run the application."""
        try:
            login = await self._access.check(scope)
            if login is not None:
                await login(scope, receive, send)
                return
            body = await self._receive_body(client, scope, receive)
        except _DisconnectedError:
            return
        except ProblemError as problem:
            if problem.status in _BURDENS:
                self._refusals.add(client)
            await _refuse(problem, scope, receive, send)
            return
        messages: list[Message] = []
        replay = _Replay(body, receive)
        try:
            await self._run(client, scope, replay, messages)
        except ProblemError as problem:
            scope["vecsim.kind"] = problem.kind
            await problem.response(scope["path"])(scope, receive, send)
            return
        except Exception:  # its answer says that there was one, and uvicorn logs it
            await _send_all(messages, send)
            raise
        finally:
            self._bodies.release(client, len(body))
        size = sum(len(message.get("body", b"")) for message in messages)
        if not self._answers.acquire(client, size):
            unread = busy("this client has not read the answers to its last requests.")
            scope["vecsim.kind"] = unread.kind
            await unread.response(scope["path"])(scope, receive, send)
            return
        try:
            await _send_all(messages, send)
        finally:
            self._answers.release(client, size)

    async def _run(
        self, client: str, scope: Scope, receive: _Replay, messages: list[Message]
    ) -> None:
        """Run the application, whose answer is appended to `messages`.

        Raises `ProblemError` if too many requests that wait for something are in progress.
        """

        async def collect(message: Message) -> None:
            messages.append(message)

        if not scope["path"].endswith(_LONG_PATHS):
            async with self.turns.turn(client):
                if not receive.is_disconnected:
                    await self._app(scope, receive, collect)
            return
        by_url = scope["path"].endswith("/search/url")  # each has a picture in memory
        budget = self._fetching if by_url else self._requests
        if not budget.acquire(client):
            raise busy(f"{self.active_requests} requests are in progress.")
        try:
            await self._app(scope, receive, collect)
        finally:
            budget.release(client)

    # -- body -----------------------------------------------------------------------------------

    async def _receive_body(self, client: str, scope: Scope, receive: Receive) -> bytes:
        """The whole body, within the limits of size and time; raises `ProblemError`.

        The client's share of `_bodies` has its bytes until they are released.
        """
        max_bytes = _MAX_JSON_BYTES
        if scope["path"].endswith("/search/upload"):
            max_bytes = self._options.max_bytes + _FORM_OVERHEAD
        elif self._options.allow_files and scope["path"].endswith("/apply"):
            max_bytes = _MAX_CHOICES_BYTES
        if not self._receiving.acquire(client):
            raise busy("this client sends too many bodies at a time.")
        announced = Headers(scope=scope).get("content-length", "0")
        length = int(announced) if announced.isdecimal() and len(announced) < 19 else max_bytes + 1
        try:
            async with asyncio.timeout(self._options.body_seconds):
                if length > max_bytes:
                    await self._drain(client, receive)
                    raise _too_large(max_bytes)
                return await self._read_body(client, receive, max_bytes)
        except TimeoutError as error:
            raise ProblemError(
                408,
                "too-slow",
                f"the body was not complete within {self._options.body_seconds:g} s.",
                "Send less, or over a faster connection.",
            ) from error
        finally:
            self._receiving.release(client)

    async def _read_body(self, client: str, receive: Receive, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _DisconnectedError
                part, more = message.get("body", b""), message.get("more_body", False)
                if size + len(part) > max_bytes:
                    if more:
                        await self._drain(client, receive)
                    raise _too_large(max_bytes)
                if not self._bodies.acquire(client, len(part)):
                    raise busy("too many uploads are in progress.")
                parts.append(part)
                size += len(part)
                if not more:
                    return b"".join(parts)
        except BaseException:
            self._bodies.release(client, size)
            raise

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


class _DisconnectedError(Exception):
    """The client closed the connection."""


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(
        413,
        "too-large",
        f"the body is larger than {max_bytes:,} bytes.",
        "Send a smaller picture, or fewer images at once.",
    )


async def _send_all(messages: Sequence[Message], send: Send) -> None:
    for message in messages:
        await send(message)


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error, and close the connection: the rest of the body stays unread."""
    problem.headers["Connection"] = "close"
    scope["vecsim.kind"] = problem.kind
    await problem.response(scope["path"])(scope, receive, send)


class _Replay:
    """A `receive` that returns the whole body of a request at the first call."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body = body
        self._receive = receive
        self._given = False

    async def __call__(self) -> Message:
        if self._given:
            return await self._receive()
        self._given = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has closed the connection, which uvicorn's `receive` belongs to."""
        return bool(getattr(getattr(self._receive, "__self__", None), "disconnected", False))
