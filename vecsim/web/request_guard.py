"""Middleware in front of the application: access checks, size and time limits.

Every request passes here first. One that is complete and allowed is passed on with its body in
memory, so a slow or huge client occupies nothing but its own connection. An answer is complete
before its first byte is sent, so a client that does not read does not keep a request in progress.
What requests take together is limited, and what one client takes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecsim.web.access import AccessRules, with_security_headers
from vecsim.web.connection_limits import client_of
from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError, busy
from vecsim.web.request_bodies import Bodies, DisconnectedError
from vecsim.web.sharing import ClientBudget, LoadMeter, RecentCounter, Turns

# Bytes in memory of all answers that are being sent, and of one client's.
_ALL_ANSWERS, _CLIENT_ANSWERS = 64_000_000, 16_000_000

_QUICK_REQUESTS = 16
"""Requests at a time of those that only read an index or a file. The others wait, and clients take
turns: each gets the same share of the event loop."""

_SEARCHES = 64
"""Searches by id at a time, likewise: as many as the thread of an index answers together."""

_MANY_WAITING = 2 * _QUICK_REQUESTS
_LONG_LAG = 0.1  # seconds
_FEW_REFUSALS = 5  # a second

_FEW_OPEN, _FEW_LONG = 8, 2
"""Requests at a time that each client may have, however many others have theirs: of all, and of
those that wait for something. The limit of connections limits how many these are together."""

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
        connections, requests = options.max_connections, options.max_requests
        each = options.max_client_requests
        self._open = ClientBudget(connections, options.max_client_connections, at_least=_FEW_OPEN)
        self._requests = ClientBudget(requests, each, at_least=_FEW_LONG)
        self._fetching = ClientBudget(requests, max(1, each // 4), at_least=_FEW_LONG)
        self._turns = Turns(_QUICK_REQUESTS)
        self._search_turns = Turns(_SEARCHES)
        self._fetch_turns = Turns(max(1, requests // 4))
        self.load = LoadMeter()
        self._refusals = RecentCounter()
        self._bodies = Bodies(options)
        self._answers = ClientBudget(_ALL_ANSWERS, _CLIENT_ANSWERS)

    @property
    def active_requests(self) -> int:
        """API requests in progress, of those that wait for something."""
        return self._requests.taken + self._fetching.taken

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._turns.waiting + self._search_turns.waiting

    def admits(self, client: str, few: bool) -> bool:
        """Whether a client may open one more connection. `few`: it opened few of late.

        Not if its requests are refused again and again, and not many while all requests wait longer
        than anybody should notice: a refused connection costs less than a request.
        """
        if self._refusals.count(client) > _FEW_REFUSALS:
            return False
        overloaded = self.waiting > _MANY_WAITING or self.load.lag > _LONG_LAG
        return few or not overloaded

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
            body = await self._bodies.receive(client, scope, receive)
        except DisconnectedError:
            return
        except ProblemError as problem:
            if problem.status in _BURDENS:
                self._refusals.add(client)
            await _refuse(problem, scope, receive, send)
            return
        messages: list[Message] = []
        replay = _Replay(body, receive)
        if replay.is_disconnected:
            self._bodies.release(client, len(body))
            return
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
            turns = self._search_turns if scope["path"].endswith("/search") else self._turns
            await self._in_turn(turns, client, scope, receive, collect)
            return
        by_url = scope["path"].endswith("/search/url")  # each has a picture in memory
        budget = self._fetching if by_url else self._requests
        if not budget.acquire(client):
            raise busy(f"{self.active_requests} requests are in progress.")
        try:
            if by_url:
                await self._in_turn(self._fetch_turns, client, scope, receive, collect)
            else:
                await self._app(scope, receive, collect)
        finally:
            budget.release(client)

    async def _in_turn(
        self, turns: Turns, client: str, scope: Scope, receive: _Replay, send: Send
    ) -> None:
        """Run the application once it is the client's turn."""
        async with turns.turn(client):
            if not receive.is_disconnected:
                await self._app(scope, receive, send)


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
