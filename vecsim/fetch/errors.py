"""Errors of fetching: exceptions of the HTTP libraries and statuses, as `ImageError`s."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import requests
import urllib3.exceptions
from urllib3.util import Retry

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.deadline import current_deadline

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""HTTP statuses that may be different at the next attempt."""

_UNAVAILABLE_STATUS = frozenset({429, 502, 503, 504, 521, 522, 523})
"""HTTP statuses that concern the whole host, not one image."""


class TransientError(ImageError):
    """A failure that may be over at the next attempt, in `retry_after` seconds if that is known."""

    retry_after: float | None = None


def status_error(response: requests.Response) -> ImageError:
    """Return the `ImageError` for an HTTP status other than 200."""
    status = response.status_code
    message = f"HTTP {status} {response.reason or ''}".strip()
    if status not in _TRANSIENT_STATUS:
        return ImageError(FailureKind.HTTP, message, http_status=status)
    error = TransientError(FailureKind.HTTP, message, http_status=status)
    error.retry_after = _retry_after(response)
    return error


def host_is_unavailable(error: ImageError) -> bool | None:
    """Tell whether `error` means that its host is down; None if it says nothing about the host."""
    unreachable = isinstance(error, TransientError) and error.kind in (
        FailureKind.CONNECT,
        FailureKind.TIMEOUT,
        FailureKind.DNS,
    )
    if unreachable or error.http_status in _UNAVAILABLE_STATUS:
        return True
    answered = error.http_status is not None or error.kind == FailureKind.TOO_LARGE
    return False if answered else None


def is_unanswered(error: Exception) -> bool:
    """Tell whether `error` means that the server closed the connection instead of answering."""
    gone = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
    return _any(list(_causes(error)), *gone)


def translate_error(error: Exception) -> ImageError:
    """Return the `ImageError` for whatever requests, urllib3, http.client or a socket raised."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ImageError):
            return cause
    if _any(causes, requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError):
        return ImageError(FailureKind.BAD_URL, f"the address cannot be read ({_text(causes)})")
    if _any(causes, TimeoutError, urllib3.exceptions.TimeoutError):
        return _timeout_error()
    if _any(causes, ssl.SSLError, ssl.CertificateError, urllib3.exceptions.SSLError):
        return ImageError(FailureKind.TLS, f"the TLS connection is not trusted ({_text(causes)})")
    if _any(causes, urllib3.exceptions.IncompleteRead, http.client.IncompleteRead):
        return TransientError(
            FailureKind.TRUNCATED, "the server closed the connection before the image was complete"
        )
    if _any(causes, urllib3.exceptions.DecodeError):
        return ImageError(FailureKind.DAMAGED, f"the content encoding is broken ({_text(causes)})")
    if _any(causes, ConnectionError, http.client.RemoteDisconnected):
        return TransientError(
            FailureKind.CONNECT, f"the server broke the connection ({_text(causes)})"
        )
    return TransientError(
        FailureKind.CONNECT, f"the server did not answer in HTTP ({_text(causes)})"
    )


def _timeout_error() -> TransientError:
    if current_deadline.remaining() <= 0:
        message = "the deadline of this image passed before it was complete"
    else:
        message = f"the server sent nothing for {current_deadline.read_timeout:g} s"
    return TransientError(FailureKind.TIMEOUT, message)


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that the server asks clients to wait; None if it gives no valid number."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds: float = Retry().parse_retry_after(value)
    except (urllib3.exceptions.InvalidHeader, OverflowError):
        return None
    return seconds


def _any(causes: list[BaseException], *types: type[BaseException]) -> bool:
    return any(isinstance(cause, types) for cause in causes)


def _text(causes: list[BaseException]) -> str:
    """Return the innermost message, on one line of at most 200 characters."""
    text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    return text[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the errors inside it: in `args`, `reason`, `__cause__`, `__context__`."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        wrapped = [getattr(following, "reason", None), *reversed(following.args)]
        inner = [each for each in wrapped if isinstance(each, BaseException)]
        following = inner[0] if inner else following.__cause__ or following.__context__
