"""Requests for URLs as they were written, byte for byte, and where a redirect leads.

A signed URL is void if an escape in it is rewritten. So escapes stay as they are, `%2f` as well as
`%2F` and a `%` that begins no escape; `.` and `..` are resolved, as by every client. Escaped is
only what cannot stand in a request line: white space, control characters, and bytes beyond ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

import requests
from requests.cookies import RequestsCookieJar
from requests.utils import get_auth_from_url

from vecsim.errors import FailureKind, ImageError
from vecsim.urls import without_credentials

_ABSOLUTE = re.compile(r"(https?)://([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
"""What stays: all visible characters of ASCII, `%` among them."""


class ExactRequest(requests.PreparedRequest):
    """A request whose `target` is sent as it is, to `base`, "scheme://host:port"."""

    base = ""
    target = ""


def prepare_request(
    url: str, headers: Mapping[str, str], cookies: RequestsCookieJar | None = None
) -> ExactRequest:
    """Prepare a GET request for exactly `url`, with those of `cookies` that its host may get.

    Raises `ImageError` "bad-url".
    """
    base, target = split_url(url)
    request = ExactRequest()
    try:
        request.method = "GET"
        request.base, credentials = _prepared_base(base)
        request.target = target
        request.url = request.base + target
        request.prepare_headers(headers)
        if cookies:
            request.prepare_cookies(cookies)
        if any(credentials):
            request.prepare_auth(credentials)
    except (requests.RequestException, ValueError) as error:
        raise ImageError(FailureKind.BAD_URL, f"the address cannot be read ({error})") from error
    return request


@lru_cache(maxsize=1024)
def _prepared_base(base: str) -> tuple[str, tuple[str, str]]:
    """Return `base`, as `split_url` does, as requests needs it, and its name and password.

    Without these, its host in lower case and IDNA. Kept, since a list has few hosts and preparing
    takes a tenth of the time of a small image. Raises `requests.RequestException`, `ValueError`.
    """
    request = requests.PreparedRequest()
    request.prepare_url(f"{base}/", None)
    return _without_credentials(request.url or ""), get_auth_from_url(request.url or "")


def split_url(url: str) -> tuple[str, str]:
    """Split an http(s) URL into "scheme://authority", as it is there, and its request target.

    The target is a path and query, without the fragment. Raises `ImageError` "bad-url".
    """
    match = _ABSOLUTE.fullmatch(url)
    if match is None or match[3].startswith("\\"):
        raise ImageError(FailureKind.BAD_URL, "the address cannot be read (no host)")
    return f"{match[1]}://{match[2]}", _target(match[3])


def redirect_url(url: str, location: str) -> str:
    """Return the URL to which `url` redirects by the header Location.

    `location`: the bytes of the header as Latin-1, as `http.client` decodes them. Bytes beyond
    ASCII are escaped one by one, so that it does not matter in which encoding a path is written;
    a host is read as UTF-8 where it is. Raises `ImageError` "redirect" if it is not http(s).
    """
    location = location.strip()
    if location.startswith("//"):
        location = f"{url.partition(':')[0]}:{location}"
    match = _ABSOLUTE.fullmatch(location)
    if match is not None:
        target = f"{match[1]}://{_host_text(match[2])}{_escape_bytes(match[3])}"
    elif not location or _SCHEME.match(location):
        shown = without_credentials(location)[:100] or "an empty address"
        raise ImageError(FailureKind.REDIRECT, f"redirected to {shown}, which is not fetched")
    else:
        target = _resolve(url, _escape_bytes(location))
    try:
        urlsplit(target)
    except ValueError as error:
        raise ImageError(FailureKind.REDIRECT, f"the redirect cannot be read ({error})") from error
    return target


def _resolve(url: str, relative: str) -> str:
    """Return the URL that `relative`, which has no scheme and no host, means at `url`."""
    base, target = split_url(url)
    path = target.partition("?")[0]
    if relative.startswith("/"):
        return base + relative
    if relative[0] in "?#":
        return base + path + relative
    return base + path[: path.rindex("/") + 1] + relative


def _without_credentials(url: str) -> str:
    """Return "scheme://host:port" of a URL that has only "/" as its path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.removesuffix('/').rpartition('@')[2]}"


def _target(rest: str) -> str:
    """Return the request target of what follows the authority of a URL."""
    path, mark, query = rest.partition("#")[0].partition("?")
    if "/." in path:
        path = _without_dot_segments(path)
    target = f"{path if path.startswith('/') else '/' + path}{mark}{query}"
    return quote(target, safe=_VISIBLE, errors="surrogatepass")


def _without_dot_segments(path: str) -> str:
    """Resolve the segments `.` and `..` of a path, as in RFC 3986, section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _escape_bytes(latin1: str) -> str:
    """Escape each byte beyond ASCII, and white space, of a header decoded as Latin-1."""
    return quote(latin1.encode("latin-1", "replace"), safe=_VISIBLE)


def _host_text(latin1: str) -> str:
    """Return the authority of a URL in a header as text: UTF-8 if it is that, else Latin-1."""
    try:
        return latin1.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return latin1
