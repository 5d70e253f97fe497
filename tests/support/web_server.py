"""Runs `vecsim serve` in its own process, with a client for it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"

# As the command does it, but with all options of `ServeOptions`.
_CODE = """
import json, sys
from pathlib import Path
from vecsim.web import ServeOptions
from vecsim.web.server import serve
paths, options = json.loads(sys.argv[1])
serve([Path(p) for p in paths], ServeOptions(port=0, **options), ready=lambda url: print(url, flush=True))
"""  # noqa: E501


def environment() -> dict[str, str]:
    """The environment without proxies and without variables of vecsim."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and (not name.startswith("VECSIM_") or name in ("VECSIM_CACHE", "VECSIM_SHARED"))
    }


class _Patient(httpx.HTTPTransport):
    """Tries again, as the server asks, where it refuses a connection on a machine that is busy.

    Such an answer has no body. Other answers with status 503 are passed on.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(10):
            answer = super().handle_request(request)
            refused = answer.status_code == 503 and answer.headers.get("Content-Length") == "0"
            if not refused or not isinstance(request.stream, httpx.ByteStream):
                return answer
            answer.close()
            time.sleep(float(answer.headers["Retry-After"]))
        return answer


@dataclass
class Server:
    """A running server, and a client that is connected to it."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client
    said: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def api(self, path: str) -> str:
        """The URL of an API path."""
        return f"{self.url}api/v1/{path}"

    def search(self, index: str, data: bytes, **asked: Any) -> dict[str, Any]:
        """Search by upload."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = self.client.post(
            self.api(f"indexes/{index}/search/upload"), content=data, params=asked, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def alive(self) -> bool:
        """Whether the server answers."""
        return self.client.get(self.api("health")).status_code == 200

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def serving(*paths: Path, command: list[str] | None = None, **options: Any) -> Iterator[Server]:
    """Run a server of the indexes at `paths` with `ServeOptions(**options)`, or by `command`."""
    arguments = command or ["-c", _CODE, json.dumps([[str(path) for path in paths], options])]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if command is None else subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"http://\S+", said)):
            line = process.stdout.readline()
            assert line, said + (process.stderr.read() if process.stderr else "")
            said += line
        with httpx.Client(timeout=30, trust_env=False, transport=_Patient()) as client:
            yield Server(process, found[0], client, said)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    """Wait until something listens on a port of this machine."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)


def connect(server: Server, address: str = "127.0.0.1") -> socket.socket:
    """Open a connection from an address of this machine, with small buffers."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.bind((address, 0))
    connection.connect(server.address)
    return connection


def pairs(answer: dict[str, Any]) -> list[tuple[str, float]]:
    """Id and score of each match in an answer of the API."""
    return [(match["id"], match["score"]) for match in answer["matches"]]


def raw(server: Server, data: bytes, *, wait: float = 10.0) -> bytes:
    """Send raw bytes; return all bytes received until the server closes the connection."""
    with socket.create_connection(server.address, timeout=wait) as connection:
        connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 if it is not one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
