"""Who may send a request: host name, origin and access token; security headers of answers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Scope, Send

from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError

API_PREFIX = "/api/v1/"
OPENAPI_PATH = f"{API_PREFIX}openapi.json"

PROBE_PATHS = ("/healthz", "/readyz")
"""Paths that need no token, and may be asked for by any host name: they tell nothing."""

PUBLIC_PATHS = (f"{API_PREFIX}health", "/login", *PROBE_PATHS)
"""Paths that need no token, besides /static/."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_MAX_HEAD_BYTES = 32_768

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


class AccessRules:
    """Checks requests before anything of their bodies is read."""

    def __init__(self, options: ServeOptions) -> None:
        self._hosts = options.accepted_hosts
        self._token = options.token
        self._origins = options.origins
        self._root_path = options.root_path
        self._wrong_token_seconds = options.wrong_token_seconds

    async def check(self, scope: Scope) -> Response | None:
        """None if allowed, or a redirect to the login page; raises `ProblemError` otherwise.

        A wrong token is answered late, so that guessing takes long.
        """
        headers, path = Headers(scope=scope), scope["path"]
        _check_head(headers, scope)
        host = headers.get("host", "")
        if path in PROBE_PATHS:
            return None
        if self._hosts is not None and _host_name(host) not in self._hosts:
            raise ProblemError(
                400,
                "unknown-host",
                f"the host name {host!r} is not accepted.",
                "Use the address that the server printed at its start, or start it with "
                "--allow-host NAME.",
            )
        if path.startswith("/api/") or scope["method"] not in _SAFE_METHODS:
            self._check_origin(headers, host)
        if self._token is None or path in PUBLIC_PATHS or path.startswith("/static/"):
            return None
        if _is_authenticated(headers, self._token, scope):
            return None
        if "authorization" in headers:
            await asyncio.sleep(self._wrong_token_seconds)
        if path.startswith("/api/") or path == "/metrics":
            raise ProblemError(
                401,
                "token-needed",
                "this server requires an access token.",
                "Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        query = scope["query_string"].decode("latin-1")
        target = quote(path, safe="/") + (f"?{query}" if query else "")
        return RedirectResponse(f"{self._root_path}/login?next={quote(target, safe='')}", 303)

    def _check_origin(self, headers: Headers, host: str) -> None:
        """Refuse requests of other sites' pages (CSRF), unless allowed; raises `ProblemError`.

        Browsers say where such a request comes from; other programs send neither header.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None and origin.lower() in self._origins:
            return
        cross_site = origin is not None and _authority(origin) != host.lower()
        if cross_site or site not in ("same-origin", "none"):
            raise ProblemError(
                403,
                "foreign-origin",
                f"requests from pages of {origin or 'another site'} are not allowed.",
                "Use the server's own page, or a program.",
            )


def _check_head(headers: Headers, scope: Scope) -> None:
    """Refuse a header section that is too large, or that gives the length of the body twice."""
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size + len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_HEAD_BYTES:
        raise ProblemError(
            431, "head-too-large", f"the header section exceeds {_MAX_HEAD_BYTES:,} bytes."
        )
    if "content-length" in headers and "transfer-encoding" in headers:
        raise ProblemError(
            400,
            "two-lengths",
            "the request has both Content-Length and Transfer-Encoding, which HTTP forbids.",
            "Send one of them.",
        )


def _authority(origin: str) -> str | None:
    """The host and port in an Origin header, lower case; None if it cannot be read."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


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


def with_security_headers(send: Send) -> Send:
    """A `send` that adds security headers to those that an answer does not have yet."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            more = [*_SECURITY_HEADERS, (b"cache-control", b"no-store")]
            message["headers"] = [
                *message["headers"],
                *(header for header in more if header[0] not in given),
            ]
        await send(message)

    return send_with_headers
