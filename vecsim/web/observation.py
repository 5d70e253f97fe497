"""Middleware around everything: the path prefix, and what is recorded of each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecsim.contained import total_size
from vecsim.index import Snapshot
from vecsim.web.access import OPENAPI_PATH
from vecsim.web.access_log import access_log, shown_header, shown_target
from vecsim.web.options import ServeOptions

UNROUTED = "(none)"
"""Stands for the route of requests that no route answers, or that were refused before."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is recorded of a request. `route`: the template of its path, such as `/i/{index}`.

    `status`: 0 if the client left before it was answered. `kind`: of the error, or "".
    """

    method: str
    route: str
    status: int
    kind: str
    byte_count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the server does at this moment.

    `in_progress`: requests. `waiting`: those that wait for a turn. `pictures`: those that wait for
    a picture or a thread. `connections`: open ones. `refused`: connections refused so far.
    `dropped_lines`: of the access log. `lag`: how late the event loop runs, in seconds.
    """

    in_progress: int
    waiting: int
    pictures: int
    connections: int
    refused: int
    dropped_lines: int
    lag: float


@dataclass(frozen=True, slots=True)
class IndexState:
    """What an index holds, and its generation. `failures`: by kind. `byte_count`: of all files."""

    images: int
    failures: dict[str, int]
    segments: int
    byte_count: int
    generation: int

    @classmethod
    def of(cls, snapshot: Snapshot, path: Path) -> IndexState:
        """What the index at `path` holds in the generation of `snapshot`."""
        failures = snapshot.failures_by_kind()
        segments = len(snapshot.segments)
        return cls(snapshot.count, failures, segments, total_size(path), snapshot.generation)


class Observer:
    """ASGI middleware: takes the prefix off paths, times requests, and records them.

    `scope["path"]` has no prefix from here on, whether the proxy leaves it in or takes it off.
    """

    def __init__(
        self, app: ASGIApp, options: ServeOptions, record: Callable[[Served], None] | None
    ) -> None:
        """`record`: is called after each request."""
        self._app = app
        self._prefix = options.root_path
        self._token = options.token
        self._record = record
        self.in_progress = 0
        """Requests in progress."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and record the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._prefix:
            _take_off(self._prefix, scope)
        status = size = 0

        async def counting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        began = time.perf_counter()
        self.in_progress += 1
        try:
            await self._app(scope, receive, counting)
        finally:
            self.in_progress -= 1
            served = Served(
                scope["method"] if scope["method"] in _METHODS else "other",
                _route_of(scope),
                status,
                scope.get("vecsim.kind", ""),
                size,
                time.perf_counter() - began,
            )
            if self._record is not None:
                self._record(served)
            if access_log.isEnabledFor(logging.INFO):
                self._log(scope, served)

    def _log(self, scope: Scope, served: Served) -> None:
        agent = Headers(scope=scope).get("user-agent", "")
        facts = {
            "client": scope["client"][0] if scope["client"] else "",
            "method": scope["method"],
            "target": self._prefix + shown_target(scope, self._token),
            "status": served.status,
            "bytes": served.byte_count,
            "seconds": round(served.seconds, 6),
            "agent": shown_header(agent, self._token),
        }
        if served.kind:
            facts["kind"] = served.kind
        access_log.info("request", extra={"facts": facts})


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _take_off(prefix: str, scope: Scope) -> None:
    """Take the prefix off the path of a request, if the path has it."""
    path: str = scope["path"]
    if path != prefix and not path.startswith(f"{prefix}/"):
        return
    scope["path"] = path[len(prefix) :] or "/"
    raw = scope.get("raw_path")
    if raw is not None and raw.startswith(prefix.encode()):
        scope["raw_path"] = raw[len(prefix) :] or b"/"


def _route_of(scope: Scope) -> str:
    """Return the template of the path: few values, whatever clients ask for."""
    if scope["path"].startswith("/static/"):
        return "/static"
    if scope["path"] == OPENAPI_PATH:
        return OPENAPI_PATH
    return str(getattr(scope.get("route"), "path", UNROUTED))
