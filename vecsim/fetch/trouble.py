"""What can go wrong on the web, in the words of `ImageError`."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import requests
import urllib3.exceptions

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.clock import clock


class PassingError(ImageError):
    """A failure that may be over at the next attempt, in `retry_after` seconds if it says so."""

    retry_after: float | None = None


def translated(error: Exception) -> ImageError:
    """The `ImageError` for whatever requests, urllib3, http.client or a socket raised."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ImageError):
            return cause
    if _any(causes, requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError):
        return ImageError(FailureKind.BAD_URL, f"the address cannot be read ({_text(causes)})")
    if _any(causes, TimeoutError, urllib3.exceptions.TimeoutError):
        if clock.left() <= 0:
            return PassingError(
                FailureKind.TIMEOUT, "the time for this image was over before all of it had come"
            )
        return PassingError(
            FailureKind.TIMEOUT, f"the server was silent for {clock.read_timeout:g} s"
        )
    if _any(causes, ssl.SSLError, ssl.CertificateError, urllib3.exceptions.SSLError):
        return ImageError(FailureKind.TLS, f"no trustworthy connection ({_text(causes)})")
    if _any(causes, urllib3.exceptions.IncompleteRead, http.client.IncompleteRead):
        return PassingError(
            FailureKind.TRUNCATED, "the server closed before all of the image had come"
        )
    if _any(causes, urllib3.exceptions.DecodeError):
        return ImageError(FailureKind.DAMAGED, f"the content encoding is broken ({_text(causes)})")
    if _any(causes, ConnectionError, http.client.RemoteDisconnected):
        return PassingError(
            FailureKind.CONNECT, f"the server broke the connection ({_text(causes)})"
        )
    return PassingError(FailureKind.CONNECT, f"the server did not answer in HTTP ({_text(causes)})")


def _any(causes: list[BaseException], *types: type[BaseException]) -> bool:
    return any(isinstance(cause, types) for cause in causes)


def _text(causes: list[BaseException]) -> str:
    """The innermost message, on one line."""
    text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    return text[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what is wrapped in it: libraries use `args`, `reason` and `__cause__`."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        wrapped = [getattr(following, "reason", None), *reversed(following.args)]
        inner = [each for each in wrapped if isinstance(each, BaseException)]
        following = inner[0] if inner else following.__cause__ or following.__context__
