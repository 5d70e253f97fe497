"""A fast server for lists of many URLs, in its own process; the path selects the behaviour.

`/good/7` is a picture, `/404/7` is not there, and so on, see `PLANTED`. It listens on every
address of this machine, so that 127.0.0.1, 127.0.0.2 and so on are hosts of one list.

    with Swarm() as swarm: urls = [swarm.url("good", 7), swarm.url("404", 8, host="127.0.0.2")]
"""

from __future__ import annotations

import asyncio
import gzip
import io
import socket
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

PLANTED: dict[str, str | None] = {
    "good": None,
    "moved": None,
    "500-then-good": None,
    "429-then-good": None,
    "404": "http",
    "410": "http",
    "500": "http",
    "reset": "connect",
    "garbage": "connect",
    "lying": "truncated",
    "cut": "truncated",
    "html": "not-an-image",
    "empty": "not-an-image",
    "svg": "unsupported-format",
    "damaged": "damaged",
    "announced": "too-large",
    "bomb": "too-large",
    "loop": "redirect",
    "to-file": "redirect",
    "silent": "timeout",
}
"""The first part of a path, and the expected failure kind; None: an image."""

PICTURES = 8


def picture(number: int) -> bytes:
    """A small PNG, one of `PICTURES`."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(number % PICTURES).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class Swarm:
    """The process of the server; a context manager."""

    def __enter__(self) -> Swarm:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.servers.swarm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def url(self, behaviour: str, number: int, host: str = "127.0.0.1") -> str:
        """The URL with this behaviour and number."""
        return f"http://{host}:{self.port}/{behaviour}/{number}"


class _Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: dict[str, bytes], seen: Counter[str]) -> None:
        self._answers = answers
        self._seen = seen
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            self._answer(head.split(b" ", 2)[1].decode())

    def _answer(self, path: str) -> None:
        _, behaviour, number = path.split("/")
        if behaviour.endswith("-then-good"):
            self._seen[path] += 1
            behaviour = behaviour.removesuffix("-then-good") if self._seen[path] == 1 else "good"
        if behaviour == "silent":
            return
        if behaviour in ("moved", "loop"):
            target = path if behaviour == "loop" else f"/good/{number}"
            self._transport.write(_response(302, b"", f"Location: {target}"))
            return
        name = f"good{int(number) % PICTURES}" if behaviour == "good" else behaviour
        self._transport.write(self._answers[name])
        if behaviour == "reset":
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            asyncio.get_running_loop().call_later(0.02, self._transport.abort)
        elif behaviour in ("garbage", "lying"):
            self._transport.close()


def _response(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Test", f"Content-Length: {announced}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def _answers() -> dict[str, bytes]:
    image = picture(0)
    middle = len(image) // 2
    damaged = image[:middle] + bytes([image[middle] ^ 255]) + image[middle + 1 :]
    bomb = gzip.compress(bytes(8_000_000))
    return {
        **{f"good{n}": _response(200, picture(n), f'ETag: "{n}"') for n in range(PICTURES)},
        "404": _response(404, b"<html>no"),
        "410": _response(410, b""),
        "429": _response(429, b"", "Retry-After: 0"),
        "500": _response(500, b"oh"),
        "reset": _response(200, image[:middle], length=len(image)),
        "garbage": b"220 mail.example.com ESMTP\r\n",
        "lying": _response(200, image, length=len(image) + 1000),
        "cut": _response(200, image[:middle]),
        "html": _response(200, b"<!DOCTYPE html><html>Log in</html>", "Content-Type: image/png"),
        "empty": _response(200, b""),
        "svg": _response(200, b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        "damaged": _response(200, damaged),
        "announced": _response(200, b"", length=10**12),
        "bomb": _response(200, bomb, "Content-Encoding: gzip"),
        "to-file": _response(302, b"", "Location: file:///etc/passwd"),
    }


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    answers, seen = _answers(), Counter[str]()
    server = await loop.create_server(lambda: _Peer(answers, seen), "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
