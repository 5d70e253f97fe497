"""From an http(s) URL to its bytes, with patience that ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import requests
from requests.utils import get_environ_proxies, requote_uri

from vecsim.errors import FailureKind, ImageError, UsageError
from vecsim.fetch.address import origin
from vecsim.fetch.clock import clock
from vecsim.fetch.facts import fetched
from vecsim.fetch.hosts import GivenUpError, Hosts
from vecsim.fetch.options import FetchOptions, default_user_agent
from vecsim.fetch.resolver import Resolver
from vecsim.fetch.response import (
    UNAVAILABLE_STATUS,
    discard_body,
    read_body,
    refusal,
    wait_before,
)
from vecsim.fetch.transport import Transport
from vecsim.fetch.trouble import PassingError, translated
from vecsim.records import Fetched

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONDITIONS = frozenset({"If-None-Match", "If-Modified-Since"})
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that stay with the host they were meant for when it redirects elsewhere."""


class WebFetcher:
    """Fetches http(s) URLs. Safe to call from many threads, which share its connections.

    `allowed` (with `public_only`): which numeric addresses may be connected to.
    """

    def __init__(self, options: FetchOptions, allowed: Callable[[str], bool]) -> None:
        self.options = options
        self._proxied = any(scheme in getproxies() for scheme in ("http", "https", "all"))
        if options.public_only and self._proxied:
            raise UsageError(
                "public_only cannot be kept behind a proxy, which connects to whatever it likes: "
                "unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or give up public_only"
            )
        self._hosts = Hosts(options)
        self._transport = Transport(
            Resolver(allowed if options.public_only else None),
            options.connect_timeout,
            options.per_host,
        )
        self._headers = {
            "User-Agent": options.user_agent or default_user_agent(),
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",  # images are compressed already
            **options.headers,
        }
        self._closed = threading.Event()

    def fetch(self, url: str, etag: str | None, last_modified: str | None) -> Fetched:
        """See `UrlFetcher.fetch`."""
        headers = dict(self._headers)
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        return self._fetch_patiently(url, headers)

    def close(self) -> None:
        """Close the connections; fetches that are under way fail soon."""
        self._closed.set()
        self._transport.close()

    def _fetch_patiently(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Attempt after attempt, as long as that has a point and the deadline allows it."""
        clock.start(self.options.deadline, self.options.read_timeout)
        attempt = 1
        earlier: ImageError | None = None
        while True:
            try:
                return self._fetch_once(url, headers)
            except GivenUpError as error:
                raise earlier or error from None
            except ImageError as error:
                error.attempts = attempt
                earlier = error
            if not isinstance(earlier, PassingError) or attempt > self.options.retries:
                raise earlier
            attempt += 1
            wait = wait_before(attempt, self.options.backoff, earlier.retry_after)
            if wait >= clock.left() or self._closed.wait(wait):
                raise earlier

    def _fetch_once(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Follow redirects to an image."""
        for _ in range(self.options.max_redirects + 1):
            try:
                result = self._request(url, headers)
            except ImageError as error:
                error.final_url = url
                raise
            if isinstance(result, Fetched):
                return result
            headers = _for_host(headers, url, result)
            url = result
        raise ImageError(
            FailureKind.REDIRECT, f"more than {self.options.max_redirects} redirects", final_url=url
        )

    def _request(self, url: str, headers: Mapping[str, str]) -> Fetched | str:
        """One request: the image, or the URL that it redirects to."""
        if self._closed.is_set():
            raise ImageError(FailureKind.CONNECT, "the fetcher was closed")
        place = origin(url)
        with self._hosts.slot(place):
            # Only now: a million URLs of a host that was given up would be prepared for nothing.
            request = _prepared(url, headers)
            try:
                result = self._exchange(url, request)
            except ImageError as error:
                self._note(place, error)
                raise
        self._hosts.succeeded(place)
        return result

    def _exchange(self, url: str, request: requests.PreparedRequest) -> Fetched | str:
        proxies = get_environ_proxies(url) if self._proxied else None
        timeout = (self.options.connect_timeout, self.options.read_timeout)
        try:
            response = self._transport.send(request, stream=True, timeout=timeout, proxies=proxies)
        except Exception as error:
            raise translated(error) from error
        status, received = response.status_code, response.headers
        data = b""
        if status == 200:
            data = read_body(response, self.options.max_bytes)
        else:
            discard_body(response)
            if status in _REDIRECTS and "Location" in received:
                return _target(url, received["Location"])
            if status != 304 or not _CONDITIONS & request.headers.keys():
                raise refusal(response)
        return fetched(
            data,
            final_url=url,
            http_status=status,
            etag=received.get("ETag"),
            last_modified=received.get("Last-Modified"),
        )

    def _note(self, place: str, error: ImageError) -> None:
        """Keep count of what a failure says about its host."""
        if isinstance(error, PassingError) and error.retry_after:
            self._hosts.pause(place, min(error.retry_after, self.options.deadline))
        gone = isinstance(error, PassingError) and error.kind in ("connect", "timeout", "dns")
        if gone or error.http_status in UNAVAILABLE_STATUS:
            self._hosts.failed(place)
        elif error.http_status is not None or error.kind == "too-large":
            self._hosts.succeeded(place)


def _prepared(url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
    """A request with neither cookies nor a body, whose preparation is left out: it costs time."""
    request = requests.PreparedRequest()
    try:
        request.prepare_method("GET")
        request.prepare_url(url, None)
        request.prepare_headers(headers)
        request.prepare_auth(None, url)
    except (requests.RequestException, ValueError) as error:
        raise ImageError(FailureKind.BAD_URL, f"the address cannot be read ({error})") from error
    return request


def _target(url: str, location: str) -> str:
    """Where a redirect leads; raises `ImageError` "redirect" if it is not to http or https."""
    try:
        # http.client reads headers as Latin-1, servers mean UTF-8 (as requests has it, too)
        location = location.encode("latin-1").decode("utf-8")
        target = urljoin(url, requote_uri(location))
        scheme = urlsplit(target).scheme
    except (ValueError, requests.RequestException) as error:
        raise ImageError(FailureKind.REDIRECT, f"the redirect cannot be read ({error})") from error
    if scheme not in ("http", "https"):
        raise ImageError(
            FailureKind.REDIRECT, f"redirected to {target[:100]}, which is not fetched"
        )
    return target


def _for_host(headers: Mapping[str, str], old: str, new: str) -> Mapping[str, str]:
    """The headers that may be sent to `new` after `old` has redirected there."""
    if origin(old) == origin(new) and urlsplit(old).scheme == urlsplit(new).scheme:
        return headers
    return {name: text for name, text in headers.items() if name.lower() not in _PRIVATE_HEADERS}
