"""A server on loopback that counts its requests; a subclass says what it answers."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class CountingServer(ABC):
    """Answers each GET request after `delay` seconds.

    `requests`: how many requests there were for each path.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.requests: Counter[str] = Counter()
        self._server = _Listener(("127.0.0.1", 0), _handler_class(self))

    @abstractmethod
    def answer(self, path: str, headers: Message) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of the answer to a request."""

    @property
    def address(self) -> str:
        """The URL of the server, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Answer requests during the block."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        yield self
        self._server.shutdown()
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections: tests kill clients."""


def _handler_class(server: CountingServer) -> type[BaseHTTPRequestHandler]:
    """Make the handler of one server's requests, which a test may change."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            server.requests[self.path] += 1
            time.sleep(server.delay)
            status, headers, body = server.answer(self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
