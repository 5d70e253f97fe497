"""`WebFetcher`: from an http(s) URL to its bytes, with retries, redirects and size limits."""

from __future__ import annotations

import contextlib
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
from requests.cookies import RequestsCookieJar
from requests.utils import get_environ_proxies

from vecsim.errors import FailureKind, ImageError, UsageError
from vecsim.fetch.address import Address, parse_address
from vecsim.fetch.connection import Resolver, Transport
from vecsim.fetch.content import make_fetched
from vecsim.fetch.deadline import current_deadline
from vecsim.fetch.errors import (
    TransientError,
    host_is_unavailable,
    is_unanswered,
    status_error,
    translate_error,
)
from vecsim.fetch.http_parts import current_request
from vecsim.fetch.options import FetchOptions, default_user_agent
from vecsim.fetch.politeness import HostLimits, HostUnavailableError
from vecsim.fetch.request import ExactRequest, prepare_request, redirect_url
from vecsim.hints import Action, Hint
from vecsim.records import Fetched

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONDITIONS = frozenset({"If-None-Match", "If-Modified-Since"})
_WHOLE_RANGE = re.compile(r"bytes 0-(\d{1,18})/(\d{1,18})")

_READ_SIZE = 1 << 18
"""Bytes per read of a body, unless its length is announced and allowed."""

_DISCARD_LIMIT = 1 << 16
"""Bytes of an unused body that are read so that the connection can be used again."""


class _Redirect(NamedTuple):
    """Where a redirect leads, and the cookies that came with it."""

    url: str
    cookies: RequestsCookieJar


class WebFetcher:
    """Fetches http(s) URLs. Thread-safe; threads share its connections.

    `allowed` (with `public_only`): which numeric addresses may be connected to.
    """

    def __init__(self, options: FetchOptions, allowed: Callable[[str], bool]) -> None:
        self.options = options
        self._uses_proxy = any(scheme in getproxies() for scheme in ("http", "https", "all"))
        if options.public_only and self._uses_proxy:
            raise UsageError(
                "Behind a proxy, only the proxy decides which addresses are connected to: "
                "fetching from public addresses only cannot be guaranteed.",
                hint=Hint(Action.UNSET_PROXY),
            )
        self._limits = HostLimits(options)
        self._transport = Transport(
            Resolver(allowed if options.public_only else None),
            options.connect_timeout,
            options.per_host,
        )
        self._headers = {
            "User-Agent": options.user_agent or default_user_agent(),
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",  # images are compressed already
        }
        self._closed = threading.Event()

    def fetch(self, address: Address, etag: str | None, last_modified: str | None) -> Fetched:
        """See `UrlFetcher.fetch`."""
        conditions = {}
        if etag:
            conditions["If-None-Match"] = etag
        if last_modified:
            conditions["If-Modified-Since"] = last_modified
        return self._fetch_with_retries(address, conditions)

    def close(self) -> None:
        """Close the connections; fetches in progress fail soon."""
        self._closed.set()
        self._transport.close()

    def _fetch_with_retries(self, address: Address, conditions: Mapping[str, str]) -> Fetched:
        """Try again after transient errors, as often as the options and the deadline allow."""
        current_deadline.start(self.options.deadline, self.options.read_timeout)
        attempt = 1
        earlier: ImageError | None = None
        while True:
            try:
                return self._follow_redirects(address, conditions)
            except HostUnavailableError as error:
                raise earlier or error from None
            except ImageError as error:
                error.attempts = attempt
                earlier = error
            if not isinstance(earlier, TransientError) or attempt > self.options.retries:
                raise earlier
            attempt += 1
            wait = _seconds_before(attempt, self.options.backoff, earlier.retry_after)
            if wait >= current_deadline.remaining() or self._closed.wait(wait):
                raise earlier

    def _follow_redirects(self, address: Address, conditions: Mapping[str, str]) -> Fetched:
        """Send requests until one is not redirected.

        Credentials, and all headers that the user chose, stay with the origin they were meant for:
        once a redirect leads to another one, no further request has them.
        """
        chosen = {**self.options.headers, **self.options.headers_for(address.origin)}
        cookies: RequestsCookieJar | None = None  # of one chain of redirects, for the rest of it
        for _ in range(self.options.max_redirects + 1):
            try:
                headers = {**self._headers, **chosen, **conditions}
                result = self._request(address, headers, cookies)
            except ImageError as error:
                error.final_url = address.url
                raise
            if isinstance(result, Fetched):
                return result
            if result.cookies:
                cookies = cookies or RequestsCookieJar()
                cookies.update(result.cookies)
            target = replace(parse_address(result.url), credentials="")
            if _same_origin(address, target):
                target = replace(target, credentials=address.credentials)
            else:
                chosen = {}
            address = target
        raise ImageError(
            FailureKind.REDIRECT,
            f"more than {self.options.max_redirects} redirects",
            final_url=address.url,
        )

    def _request(
        self, address: Address, headers: Mapping[str, str], cookies: RequestsCookieJar | None
    ) -> Fetched | _Redirect:
        """Send one request; return the image, or a redirect."""
        if self._closed.is_set():
            raise ImageError(FailureKind.CONNECT, "the fetcher was closed")
        with self._limits.request_slot(address.origin):
            # Prepared after the slot is granted: a host that is unavailable may have a million
            # URLs, none of which needs a request.
            request = prepare_request(address.full_url, headers, cookies)
            try:
                result = self._exchange(address.url, request)
            except ImageError as error:
                self._record_failure(address.origin, error)
                raise
        self._limits.record_success(address.origin)
        return result

    def _exchange(self, url: str, request: ExactRequest) -> Fetched | _Redirect:
        response = self._send(url, request)
        status, received = response.status_code, response.headers
        data = b""
        if _is_whole(response):
            data = _read_body(response, self.options.max_bytes)
        else:
            _discard_body(response)
            if status in _REDIRECTS and "Location" in received:
                return _Redirect(redirect_url(url, received["Location"]), response.cookies)
            if status != 304 or not _CONDITIONS & request.headers.keys():
                raise status_error(response)
        return make_fetched(
            data,
            final_url=url,
            http_status=status,
            etag=received.get("ETag"),
            last_modified=received.get("Last-Modified"),
        )

    def _send(self, url: str, request: ExactRequest) -> requests.Response:
        """Send a request, at once again where a kept connection turns out to be closed.

        Each attempt but the last uses up one of the host's kept connections.
        """
        proxies = get_environ_proxies(url) if self._uses_proxy else None
        timeout = (self.options.connect_timeout, self.options.read_timeout)
        for kept_connections in range(self.options.per_host, -1, -1):
            try:
                return self._transport.send(request, stream=True, timeout=timeout, proxies=proxies)
            except Exception as error:
                again = kept_connections and current_request.on_kept_connection
                if not again or not is_unanswered(error):
                    raise translate_error(error) from error
        raise AssertionError("the last attempt has returned or raised")

    def _record_failure(self, origin: str, error: ImageError) -> None:
        """Note what a failed request says about its host."""
        if isinstance(error, TransientError) and error.retry_after:
            seconds = min(error.retry_after, self.options.deadline)
            self._limits.delay_next_request(origin, seconds)
        unavailable = host_is_unavailable(error)
        if unavailable:
            self._limits.record_failure(origin)
        elif unavailable is False:
            self._limits.record_success(origin)


def _seconds_before(attempt: int, backoff: float, retry_after: float | None) -> float:
    """Return the seconds before attempt `attempt` (2, 3, …): doubling, half of it random."""
    own = backoff * 2.0 ** (attempt - 2) * random.uniform(0.5, 1.0)
    return max(own, retry_after or 0.0)


def _is_whole(response: requests.Response) -> bool:
    """Tell whether a response holds the whole image: 200, 203, or 206 with the whole range."""
    if response.status_code != 206:
        return response.status_code in (200, 203)
    match = _WHOLE_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return match is not None and int(match[1]) + 1 == int(match[2])


def _same_origin(one: Address, other: Address) -> bool:
    return one.origin == other.origin and urlsplit(one.url).scheme == urlsplit(other.url).scheme


def _read_body(response: requests.Response, max_bytes: int) -> bytes:
    """Read the whole body, its gzip encoding undone.

    Never more than `max_bytes` and one read, whatever the headers say. Raises `ImageError`
    "too-large", "truncated" and others.
    """
    raw: Any = response.raw
    encoded = "Content-Encoding" in response.headers
    try:
        length = _announced_length(response, max_bytes)
        parts: list[bytes] = []
        size = 0
        # An empty body is read too: its connection is free again only then.
        while (not size or size != length) and (
            part := raw.read(length or _READ_SIZE, decode_content=encoded)
        ):
            size += len(part)
            if size > max_bytes:
                raise ImageError(FailureKind.TOO_LARGE, f"more than {max_bytes:,} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except Exception as error:
        raw.close()
        raise translate_error(error) from error


def _announced_length(response: requests.Response, max_bytes: int) -> int | None:
    """Return how many bytes of a body there will be; None where this is not known.

    Raises `ImageError` if the announced length is too large, or if there are two ways to tell the
    length: sending both is a sign of request smuggling (RFC 9112, section 6.3).
    """
    length = response.headers.get("Content-Length")
    if length is not None and "Transfer-Encoding" in response.headers:
        raise ImageError(
            FailureKind.CONNECT,
            "the answer has both Content-Length and Transfer-Encoding, which HTTP forbids",
        )
    if length is None or not length.isdecimal() or "Content-Encoding" in response.headers:
        return None
    if int(length) > max_bytes:
        raise ImageError(
            FailureKind.TOO_LARGE,
            f"the server announces {int(length):,} bytes, the limit is {max_bytes:,}",
        )
    return int(length)


def _discard_body(response: requests.Response) -> None:
    """Read a body that is not used, if it is short, so that the connection can be used again."""
    raw: Any = response.raw
    length = response.headers.get("Content-Length", "0")
    left = _DISCARD_LIMIT
    # The status is known already: errors of the rest change nothing.
    with contextlib.suppress(Exception):
        while 0 < left >= int(length):
            part = raw.read(left)
            if not part:
                return  # the body was read to its end: the connection is free again
            left -= len(part)
    raw.close()
