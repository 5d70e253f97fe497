"""A server on loopback that sends raw bytes and keeps the requests as they came."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path


class RawServer:
    """`with RawServer(answer) as server: fetch(server.url("/a.jpg"))`.

    `answer`: from the head of a request to all bytes of the response. `close_after`: seconds after
    a response at which the connection is closed, whatever the response says; None leaves it open.
    `heads`: the heads of all requests. `connections`: how many there were.
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes],
        *,
        close_after: float | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._answer = answer
        self._close_after = close_after
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._listener.getsockname()[1])

    @property
    def targets(self) -> list[str]:
        """The targets of all requests, as Latin-1."""
        lines = (head.split(b"\r\n")[0].decode("latin-1") for head in self.heads)
        return [line.partition(" ")[2].rpartition(" ")[0] for line in lines]

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The URL of `path`."""
        return f"http{'s' if self._context else ''}://{host}:{self.port}{path}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        with contextlib.suppress(OSError), plain:
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True)
            with connection:
                self._answer_requests(connection)

    def _answer_requests(self, connection: socket.socket) -> None:
        received = b""
        while data := connection.recv(1 << 16):
            received += data
            while b"\r\n\r\n" in received:
                head, _, received = received.partition(b"\r\n\r\n")
                self.heads.append(head)
                connection.sendall(self._answer(head))
                if self._close_after is not None:
                    time.sleep(self._close_after)
                    return


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Make a response with a Content-Length. `status`: such as "200 OK"."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
