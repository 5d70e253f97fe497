"""Exceptions of the HTTP libraries and statuses, translated into `ImageError`s."""

import http.client
import ssl

import pytest
import requests
import urllib3

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.deadline import current_deadline
from vecsim.fetch.errors import (
    TransientError,
    host_is_unavailable,
    status_error,
    translate_error,
)


def response(status: int, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.reason = "Test"
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (requests.exceptions.InvalidURL("bad"), "bad-url", False),
        (TimeoutError("late"), "timeout", True),
        (urllib3.exceptions.ReadTimeoutError(None, "/", "late"), "timeout", True),  # type: ignore[arg-type]
        (ssl.SSLCertVerificationError("self-signed"), "tls", False),
        (http.client.IncompleteRead(b"", 10), "truncated", True),
        (urllib3.exceptions.DecodeError("gzip"), "damaged", False),
        (ConnectionResetError("reset"), "connect", True),
        (http.client.BadStatusLine("220 mail"), "connect", True),
    ],
)
def test_exceptions_become_image_errors(error: Exception, kind: str, transient: bool) -> None:
    current_deadline.start(60.0, 20.0)
    translated = translate_error(error)
    assert translated.kind == kind
    assert isinstance(translated, TransientError) == transient
    assert translated.message


def test_the_innermost_exception_decides() -> None:
    inner = ssl.SSLCertVerificationError("self-signed")
    error = requests.exceptions.ConnectionError(
        urllib3.exceptions.MaxRetryError(None, "/", inner)  # type: ignore[arg-type]
    )
    translated = translate_error(error)
    assert translated.kind == "tls"
    assert "self-signed" in translated.message


def test_an_image_error_inside_an_exception_is_returned_itself() -> None:
    inner = ImageError(FailureKind.FORBIDDEN_ADDRESS, "internal")
    error = requests.exceptions.ConnectionError("failed")
    error.__cause__ = inner
    assert translate_error(error) is inner


def test_a_timeout_names_the_deadline_or_the_silence() -> None:
    current_deadline.start(-1.0, 7.0)
    assert "deadline" in translate_error(TimeoutError()).message
    current_deadline.start(60.0, 7.0)
    assert "sent nothing for 7 s" in translate_error(TimeoutError()).message


@pytest.mark.parametrize(
    ("status", "transient", "unavailable"),
    [(404, False, False), (500, True, False), (503, True, True), (429, True, True)],
)
def test_statuses_tell_whether_to_retry_and_whether_the_host_is_down(
    status: int, transient: bool, unavailable: bool
) -> None:
    error = status_error(response(status))
    assert (error.kind, error.http_status) == ("http", status)
    assert error.message == f"HTTP {status} Test"
    assert isinstance(error, TransientError) == transient
    assert host_is_unavailable(error) is unavailable


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("nonsense", None), ("", None), (None, None)]
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"Retry_After": value}
    error = status_error(response(503, **headers))
    assert isinstance(error, TransientError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (TransientError(FailureKind.CONNECT, "refused"), True),
        (TransientError(FailureKind.TIMEOUT, "late"), True),
        (ImageError(FailureKind.DNS, "no such host"), None),
        (ImageError(FailureKind.TOO_LARGE, "big"), False),
        (ImageError(FailureKind.BAD_URL, "bad"), None),
    ],
)
def test_what_an_error_says_about_its_host(error: ImageError, unavailable: bool | None) -> None:
    assert host_is_unavailable(error) is unavailable
