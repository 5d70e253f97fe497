"""Reading an HTTP answer: never more than allowed, whatever its headers promise."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.trouble import PassingError, translated

_CHUNK = 1 << 18
_WORTH_READING = 1 << 16
"""Bytes of an error page that are read so that the connection can be used again."""

PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""HTTP statuses that may be others next time."""

UNAVAILABLE_STATUS = frozenset({429, 502, 503, 504, 521, 522, 523})
"""HTTP statuses that speak of the host as a whole, not of one image."""


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """The whole body, decoded (gzip); raises `ImageError` "too-large", "truncated" and others."""
    raw: Any = response.raw
    length = response.headers.get("Content-Length", "")
    try:
        if not length.isdecimal() or "Content-Encoding" in response.headers:
            return _read_unknown(raw, max_bytes)
        if int(length) > max_bytes:
            raise ImageError(
                FailureKind.TOO_LARGE,
                f"the server announces {int(length):,} bytes, the limit is {max_bytes:,}",
            )
        data: bytes = raw.read(decode_content=False)  # never more than announced
        return data
    except Exception as error:
        raw.close()
        raise translated(error) from error


def _read_unknown(raw: Any, max_bytes: int) -> bytes:
    """A body of which nobody knows how long it will be, undoing its encoding bit by bit."""
    parts: list[bytes] = []
    size = 0
    while part := raw.read(_CHUNK, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise ImageError(FailureKind.TOO_LARGE, f"more than {max_bytes:,} bytes")
        parts.append(part)
    return b"".join(parts)


def discard_body(response: requests.Response) -> None:
    """Be done with an answer that is of no use, keeping the connection if that is cheap."""
    raw: Any = response.raw
    length = response.headers.get("Content-Length", "0")
    left = _WORTH_READING
    # Whatever happens to the rest, the answer is known.
    with contextlib.suppress(Exception):
        while 0 < left >= int(length):
            part = raw.read(left)
            if not part:
                return  # that was all of it: the connection is free again
            left -= len(part)
    raw.close()


def refusal(response: requests.Response) -> ImageError:
    """The `ImageError` for a status other than 200."""
    status = response.status_code
    message = f"HTTP {status} {response.reason or ''}".strip()
    if status not in PASSING_STATUS:
        return ImageError(FailureKind.HTTP, message, http_status=status)
    error = PassingError(FailureKind.HTTP, message, http_status=status)
    error.retry_after = _retry_after(response)
    return error


def wait_before(attempt: int, backoff: float, retry_after: float | None) -> float:
    """Seconds to wait before attempt number `attempt` (2, 3, …): doubling, half of it random."""
    own = backoff * 2.0 ** (attempt - 2) * random.uniform(0.5, 1.0)
    return max(own, retry_after or 0.0)


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds: float = Retry().parse_retry_after(value)
    except (InvalidHeader, OverflowError):
        return None
    return seconds
