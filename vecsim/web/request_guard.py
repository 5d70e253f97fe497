"""Middleware in front of the application: access checks, size and time limits.

Every request passes here first. One that is complete and allowed is passed on with its body in
memory, so a slow or huge client occupies nothing but its own connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError, busy

API_PREFIX = "/api/v1/"
_PUBLIC_PATHS = (f"{API_PREFIX}health", "/login")
"""Paths that need no token, besides /static/."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})

# Size limits in bytes: of a request's header section, of a body without a picture, of the form
# around an uploaded picture, and of all bodies in memory.
_MAX_HEAD_BYTES = 32_768
_MAX_JSON_BYTES = 1_000_000
_FORM_OVERHEAD = 65_536
_MAX_ALL_BODIES = 256_000_000

# How much of a refused body is still read. Without it the client would see a reset connection
# instead of the error response.
_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 32_000_000

_SECURITY_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; "
     b"img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
     b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # "no-referrer" would make forms send "Origin: null"
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]  # fmt: skip


class RequestGuard:
    """ASGI middleware that checks host, origin and token, reads the body and limits concurrency."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._options = options
        self._hosts = options.accepted_hosts
        self._body_bytes = 0
        self.active_requests = 0
        """API requests in progress."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with an error or a redirect to the login page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [*_SECURITY_HEADERS, (b"cache-control", b"no-store")]
                message["headers"] = [
                    *message["headers"],
                    *(header for header in more if header[0] not in given),
                ]
            await send(message)

        try:
            login = self._check_access(scope)
            if login is not None:
                await login(scope, receive, send_with_headers)
                return
            body = await self._receive_body(scope, receive)
        except _DisconnectedError:
            return
        except ProblemError as problem:
            # The rest of the body stays unread, so this connection cannot be used again.
            problem.headers["Connection"] = "close"
            await problem.response(scope["path"])(scope, receive, send_with_headers)
            return
        try:
            await self._run_app(scope, _replay_body(body, receive), send_with_headers)
        finally:
            self._body_bytes -= len(body)

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application unless too many API requests are active."""
        if not scope["path"].startswith(API_PREFIX) or scope["path"] in _PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        if self.active_requests >= self._options.max_requests:
            problem = busy(f"{self.active_requests} requests are in progress.")
            await problem.response(scope["path"])(scope, receive, send)
            return
        self.active_requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.active_requests -= 1

    # -- access ---------------------------------------------------------------------------------

    def _check_access(self, scope: Scope) -> Response | None:
        """None if allowed, or a redirect to the login page; raises `ProblemError` otherwise."""
        headers, path = Headers(scope=scope), scope["path"]
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size + len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_HEAD_BYTES:
            raise ProblemError(
                431, "head-too-large", f"the header section exceeds {_MAX_HEAD_BYTES:,} bytes."
            )
        host = headers.get("host", "")
        if self._hosts is not None and _host_name(host) not in self._hosts:
            raise ProblemError(
                400,
                "unknown-host",
                f"the host name {host!r} is not accepted.",
                "Use the address that the server printed at its start, or start it with "
                "--allow-host NAME.",
            )
        if scope["method"] not in _SAFE_METHODS:
            _check_origin(headers, host)
        token = self._options.token
        if token is None or path in _PUBLIC_PATHS or path.startswith("/static/"):
            return None
        if _is_authenticated(headers, token, scope):
            return None
        if path.startswith("/api/"):
            raise ProblemError(
                401,
                "token-needed",
                "this server requires an access token.",
                "Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        query = scope["query_string"].decode("latin-1")
        target = quote(path, safe="/") + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)

    # -- body -----------------------------------------------------------------------------------

    async def _receive_body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, within the limits of size and time; raises `ProblemError`."""
        max_bytes = _MAX_JSON_BYTES
        if scope["path"].endswith("/search/upload"):
            max_bytes = self._options.max_bytes + _FORM_OVERHEAD
        try:
            async with asyncio.timeout(self._options.body_seconds):
                return await self._read_body(scope, receive, max_bytes)
        except TimeoutError as error:
            raise ProblemError(
                408,
                "too-slow",
                f"the body was not complete within {self._options.body_seconds:g} s.",
                "Send less, or over a faster connection.",
            ) from error

    async def _read_body(self, scope: Scope, receive: Receive, max_bytes: int) -> bytes:
        announced = Headers(scope=scope).get("content-length", "0")
        length = int(announced) if announced.isdecimal() and len(announced) < 19 else max_bytes + 1
        parts: list[bytes] = []
        size, more = 0, True
        try:
            while True:
                if max(size, length) > max_bytes:
                    if more:
                        await _drain(receive, min(_DRAIN_SECONDS, self._options.body_seconds / 2))
                    raise ProblemError(
                        413,
                        "too-large",
                        f"the body is larger than {max_bytes:,} bytes.",
                        "Send a smaller picture, or fewer images at once.",
                    )
                if self._body_bytes > _MAX_ALL_BODIES:
                    raise busy("too many uploads are in progress.")
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _DisconnectedError
                part, more = message.get("body", b""), message.get("more_body", False)
                parts.append(part)
                size += len(part)
                self._body_bytes += len(part)
                if size <= max_bytes and not more:
                    return b"".join(parts)
        except BaseException:
            self._body_bytes -= size
            raise


class _DisconnectedError(Exception):
    """The client closed the connection."""


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse cross-site requests (CSRF); raises `ProblemError`.

    Browsers say where such a request comes from; other programs send neither header.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    cross_site = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if cross_site or site not in ("same-origin", "none"):
        raise ProblemError(
            403,
            "foreign-origin",
            f"requests from pages of {origin or 'another site'} are not allowed.",
            "Use the server's own page, or a program.",
        )


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


# -- access token -------------------------------------------------------------------------------


def _is_authenticated(headers: Headers, token: str, scope: Scope) -> bool:
    """Whether the request has the token as a bearer token, or the cookie of the login page."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token_matches(given.strip(), token)
    cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
    return hmac.compare_digest(cookie.encode(), cookie_value(token).encode())


def token_matches(given: str, token: str) -> bool:
    """Compare in constant time, so that response times say nothing about the token."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def cookie_name(scope: Scope) -> str:
    """The login cookie's name, with the port: browsers share cookies among the ports of a host."""
    server = scope.get("server")
    return f"vecsim_{server[1] if server else 0}"


def cookie_value(token: str) -> str:
    """The login cookie's value: an HMAC, so that the token itself is not stored by browsers."""
    return hmac.new(token.encode(), b"vecsim page", hashlib.sha256).hexdigest()


# -- ASGI ---------------------------------------------------------------------------------------


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the whole body at the first call."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _drain(receive: Receive, seconds: float) -> None:
    """Read and drop the rest of a body, for a limited time and up to a limited size."""
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
