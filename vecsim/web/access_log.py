"""The access log: one line a request, written by a thread of its own.

Clients choose what is in a request. A line has no control characters (`vecsim.render.log_lines`),
no secrets that clients put into URLs, and a limited length.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from urllib.parse import quote, unquote

from starlette.types import Scope

from vecsim.errors import StorageError
from vecsim.urls import without_credentials

access_log = logging.getLogger("vecsim.access")
"""Gets a record for each request, if there is an access log."""

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"auth|cookie|token|secret|passw|pwd|credential|session|signature|jwt|(access|api|private)_?key"
    r"|(^|[_.-])(key|sig|code|pass|pw)$",
    re.IGNORECASE,
)
"""Names of parameters that usually carry secrets: token, api_key, X-Amz-Signature, sig, …"""

_LONGEST = 2_000
"""Characters of a URL or a header in a line at most."""

_NESTED = 3
"""How many URLs inside each other are looked through."""

_WAITING_LINES = 10_000
_END_SECONDS = 5.0


def shown_target(scope: Scope, token: str | None) -> str:
    """Return the path and query of a request without secrets. `token`: that of the server."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"].decode("latin-1")
    target = raw_path.decode("latin-1") + (f"?{query}" if query else "")
    return _shorten(_without_token(_without_secrets(target, _NESTED), token))


def shown_header(text: str, token: str | None) -> str:
    """Return the value of a header without the server's token."""
    return _shorten(_without_token(text, token))


def _without_secrets(url: str, depth: int) -> str:
    """Replace the values of secret parameters, also of URLs inside of it, and credentials."""
    head, mark, query = url.partition("?")
    head = without_credentials(head)
    if not mark:
        return head
    query, hash_, _ = query.partition("#")
    parameters = [_without_secret(parameter, depth) for parameter in query.split("&")]
    return f"{head}?{'&'.join(parameters)}{f'#{HIDDEN}' if hash_ else ''}"


def _without_secret(parameter: str, depth: int) -> str:
    name, equals, value = parameter.partition("=")
    if not equals:
        return parameter
    if _SECRET_NAME.search(unquote(name)):
        return f"{name}={HIDDEN}"
    inner = unquote(value)
    if "?" not in inner and "@" not in inner:
        return parameter
    if depth == 0:
        return f"{name}={HIDDEN}"
    cleaned = _without_secrets(inner, depth - 1)
    return parameter if cleaned == inner else f"{name}={quote(cleaned, safe='/:?=&*@')}"


def _without_token(text: str, token: str | None) -> str:
    """Replace the server's own token, wherever a client wrote it."""
    if token is None:
        return text
    return text.replace(token, HIDDEN).replace(quote(token, safe=""), HIDDEN)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class LineWriter(logging.Handler):
    """Passes records to another handler in a thread, so that no request waits for a disk or pipe.

    Records beyond `_WAITING_LINES` that wait are dropped, as are those that cannot be written.
    """

    def __init__(self, target: logging.Handler) -> None:
        super().__init__()
        self.dropped = 0
        """How many records were dropped."""
        self._target = target
        target.handleError = self._on_error  # type: ignore[method-assign]
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_WAITING_LINES)
        self._thread = threading.Thread(target=self._write, name="access log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for five seconds at most, and close the other handler."""
        try:
            self._waiting.put(None, timeout=_END_SECONDS)
            self._thread.join(_END_SECONDS)
        except queue.Full:
            pass  # the reader of a pipe has stopped: the thread ends with the process
        if not self._thread.is_alive():
            with suppress(OSError):
                self._target.close()
        super().close()

    def _write(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._target.handle(record)

    def _on_error(self, record: logging.LogRecord) -> None:
        self.dropped += 1


@contextmanager
def writing_access_log(file: Path | None, lines: logging.Formatter) -> Iterator[None]:
    """Write the access log to `file` for the duration of the block; None for standard error.

    A file that another program renames or deletes, as logrotate does, is opened again. Raises
    `StorageError`.
    """
    target: logging.Handler
    if file is None:
        target = logging.StreamHandler()
    else:
        try:
            target = WatchedFileHandler(file, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise StorageError(
                f"{file}: the access log cannot be written ({error.strerror})."
            ) from error
    target.setFormatter(lines)
    writer = LineWriter(target)
    access_log.addHandler(writer)
    access_log.setLevel(logging.INFO)
    access_log.propagate = False
    try:
        yield
    finally:
        access_log.setLevel(logging.NOTSET)
        access_log.propagate = True
        access_log.removeHandler(writer)
        writer.close()


def dropped_lines() -> int:
    """Return how many lines of the access log were dropped."""
    return sum(each.dropped for each in access_log.handlers if isinstance(each, LineWriter))
