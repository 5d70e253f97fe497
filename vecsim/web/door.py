"""The door: whoever asks is looked at, and read to the end within limits, before any work begins.

Every request passes here first. One that is complete and allowed is handed on with its body in
memory, so a slow or huge client holds nothing but its own connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError, busy

log = logging.getLogger(__name__)

API = "/api/v1/"
_OPEN = (f"{API}health", "/login")
"""Paths that need no token, besides /static/."""

_SAFE = frozenset({"GET", "HEAD"})
_HEAD_BYTES = 32_768
_JSON_BYTES = 1_000_000
_FORM_OVERHEAD = 65_536
_ALL_BODIES = 256_000_000
"""Bytes at most: of a request's head, of a body that is no picture, of a form around a picture,
and of all bodies at once."""

_LINGER_SECONDS = 2.0
_LINGER_BYTES = 32_000_000
"""How much of a body that is refused is still read, so that its sender can read why."""

_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; "
     b"img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
     b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with none, forms would say they come from nowhere
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]  # fmt: skip


class Door:
    """ASGI in, ASGI out: host, origin, token, body, and how many are inside."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._options = options
        self._hosts = options.known_hosts
        self._bodies = 0
        self.inside = 0
        """Requests at work or in line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [*_HEADERS, (b"cache-control", b"no-store")]
                message["headers"] = [
                    *message["headers"],
                    *(header for header in more if header[0] not in given),
                ]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send_on)
                return
            body = await self._body(scope, receive)
        except _GoneError:
            return
        except ProblemError as problem:
            # The rest of its body is not read, so this connection cannot be used again.
            problem.headers["Connection"] = "close"
            await problem.response(scope["path"])(scope, receive, send_on)
            return
        try:
            await self._enter(scope, _replay(body, receive), send_on)
        finally:
            self._bodies -= len(body)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, if not too many are inside. Health and files cost nothing."""
        if not scope["path"].startswith(API) or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        if self.inside >= self._options.max_waiting:
            problem = busy(f"{self.inside} requests are being answered already.")
            await problem.response(scope["path"])(scope, receive, send)
            return
        self.inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.inside -= 1

    # -- who asks ------------------------------------------------------------------------------

    def _refusal(self, scope: Scope) -> Response | None:
        """An answer for those who need to log in first; raises `ProblemError` for the others."""
        headers, path = Headers(scope=scope), scope["path"]
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size + len(scope["raw_path"]) + len(scope["query_string"]) > _HEAD_BYTES:
            raise ProblemError(
                431, "head-too-large", f"the head is larger than {_HEAD_BYTES:,} bytes.", ""
            )
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            raise ProblemError(
                400,
                "unknown-host",
                f"this server is not called {host!r}.",
                "Use the address it printed when it started, or start it with --allow-host NAME.",
            )
        if scope["method"] not in _SAFE:
            _check_origin(headers, host)
        token = self._options.token
        if token is None or path in _OPEN or path.startswith("/static/"):
            return None
        if _knows(headers, token, scope):
            return None
        if path.startswith("/api/"):
            raise ProblemError(
                401,
                "token-needed",
                "this server answers only those who know its token.",
                "Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        query = scope["query_string"].decode("latin-1")
        target = quote(path, safe="/") + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)

    # -- what they bring -----------------------------------------------------------------------

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, within its limits of size and time."""
        most = _JSON_BYTES
        if scope["path"].endswith("/search/upload"):
            most = self._options.max_bytes + _FORM_OVERHEAD
        try:
            async with asyncio.timeout(self._options.body_seconds):
                return await self._read(scope, receive, most)
        except TimeoutError as error:
            raise ProblemError(
                408,
                "too-slow",
                f"the body was not complete within {self._options.body_seconds:g} s.",
                "Send less, or over a faster connection.",
            ) from error

    async def _read(self, scope: Scope, receive: Receive, most: int) -> bytes:
        announced = Headers(scope=scope).get("content-length", "0")
        length = int(announced) if announced.isdecimal() and len(announced) < 19 else most + 1
        parts: list[bytes] = []
        size, more = 0, True
        try:
            while True:
                if max(size, length) > most:
                    if more:
                        await _linger(receive, min(_LINGER_SECONDS, self._options.body_seconds / 2))
                    raise ProblemError(
                        413,
                        "too-large",
                        f"the body is larger than {most:,} bytes.",
                        "Send a smaller picture, or fewer images at once.",
                    )
                if self._bodies > _ALL_BODIES:
                    raise busy("many pictures are being handed over at this moment.")
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                part, more = message.get("body", b""), message.get("more_body", False)
                parts.append(part)
                size += len(part)
                self._bodies += len(part)
                if size <= most and not more:
                    return b"".join(parts)
        except BaseException:
            self._bodies -= size
            raise


class _GoneError(Exception):
    """The client has hung up."""


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse what another site's page sends with its visitor's hands.

    Browsers say where such a request comes from; programs have no need to.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if foreign or site not in ("same-origin", "none"):
        raise ProblemError(
            403,
            "foreign-origin",
            f"a page of {origin or 'another site'} may not ask this of the server.",
            "Use the server's own page, or a program.",
        )


def _name_of(host: str) -> str:
    """The name in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _knows(headers: Headers, token: str, scope: Scope) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return is_token(given.strip(), token)
    cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
    return hmac.compare_digest(cookie.encode(), cookie_value(token).encode())


def is_token(given: str, token: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def cookie_name(scope: Scope) -> str:
    """Cookies know no ports: two servers on one machine must not share one."""
    server = scope.get("server")
    return f"vecsim_{server[1] if server else 0}"


def cookie_value(token: str) -> str:
    """What a browser keeps: proof of the token, not the token."""
    return hmac.new(token.encode(), b"vecsim page", hashlib.sha256).hexdigest()


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that has the whole body at once."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _linger(receive: Receive, seconds: float) -> None:
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while size < _LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
