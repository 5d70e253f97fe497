"""A threaded HTTP server on loopback whose behaviour a test chooses for each path."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Exchange:
    """One request, with its raw connection."""

    def __init__(
        self,
        handler: BaseHTTPRequestHandler,
        number: int,
        ended: threading.Event,
        count: Callable[[int], None],
    ) -> None:
        self.path = handler.path
        self.headers: Message = handler.headers
        self.number = number
        """Requests for this path so far, including this one."""
        self.ended = ended
        """Set when the server closes; endless behaviours end then."""
        self._handler = handler
        self._count = count

    def send(self, data: bytes) -> None:
        """Write raw bytes."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()
        self._count(len(data))

    def answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Write a valid response; adds `Content-Length` unless given (empty: omitted)."""
        lines = {"Content-Length": str(len(body)), **headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.send(f"HTTP/1.1 {status} Test\r\n{text}\r\n".encode("latin-1") + body)
        if "Content-Length" not in lines or not lines["Content-Length"]:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection after this response, as in HTTP."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Abort the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.close_connection = True


@dataclass
class Seen:
    """Statistics of a server; times are `time.monotonic`."""

    paths: Counter[str] = field(default_factory=Counter)
    headers: list[tuple[str, Message]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    now: int = 0
    peak: int = 0
    connections: int = 0
    sent: int = 0  # bytes, including response headers


class HostileServer:
    """`with HostileServer({"/a.jpg": good(data)}) as server: fetch(server.url("/a.jpg"))`.

    `routes`: path to behaviour, may be changed at any time; other paths answer 404. `certificate`:
    a PEM file with key and certificate, for https. Any number of connections at a time.
    """

    def __init__(
        self,
        routes: Mapping[str, Callable[[Exchange], None]] | None = None,
        *,
        certificate: Path | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.routes = dict(routes or {})
        self.seen = Seen()
        self._address = address
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._http = _Listener((address, 0), _handler_class(self))
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The TLS handshake must run in the thread of the connection, not in the listener's.
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._http.server_address[1])

    def url(self, path: str = "/", host: str | None = None) -> str:
        """The URL of `path`; `host` is the numeric address by default."""
        return f"{self._scheme}://{host or self._address}:{self.port}{path}"

    def __enter__(self) -> HostileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()


def _handler_class(server: HostileServer) -> type[BaseHTTPRequestHandler]:
    """The handler of `server`'s connections."""

    def count(size: int) -> None:
        with server._lock:
            server.seen.sent += size

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with server._lock:
                server.seen.connections += 1

        def do_GET(self) -> None:
            seen = server.seen
            with server._lock:
                seen.paths[self.path] += 1
                number = seen.paths[self.path]
                seen.headers.append((self.path, self.headers))
                seen.times.append(time.monotonic())
                seen.now += 1
                seen.peak = max(seen.peak, seen.now)
            try:
                exchange = Exchange(self, number, server._ended, count)
                behaviour = server.routes.get(self.path)
                if behaviour is None:
                    exchange.answer(404, {"Content-Type": "text/html"}, b"<html>no</html>")
                else:
                    behaviour(exchange)
            finally:
                with server._lock:
                    seen.now -= 1

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections, which tests cause on purpose."""

    def shutdown_request(self, request: object) -> None:
        """Close without a TCP shutdown, which would hide a reset."""
        assert isinstance(request, socket.socket)
        linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        if struct.unpack("ii", linger)[0]:
            request.close()
        else:
            super().shutdown_request(request)
