"""Behaviours of a `HostileServer`, from correct to malicious."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.servers.hostile import Exchange

Behaviour = Callable[["Exchange"], None]


def good(data: bytes, content_type: str = "image/jpeg", **headers: str) -> Behaviour:
    """Serve `data`; underscores in header names become hyphens."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Type": content_type, **extra}, data)

    return behave


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"no") -> Behaviour:
    """Answer with `code`."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(code, headers or {}, body)

    return behave


def redirect(target: str, code: int = 302) -> Behaviour:
    """Point to `target`."""
    return status(code, {"Location": target}, b"")


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Use one behaviour per request, in order; the last one for all further requests."""

    def behave(exchange: Exchange) -> None:
        behaviours[min(exchange.number, len(behaviours)) - 1](exchange)

    return behave


def conditional(data: bytes, etag: str) -> Behaviour:
    """Serve `data`, or status 304 if the request has its ETag."""

    def behave(exchange: Exchange) -> None:
        if exchange.headers["If-None-Match"] == etag:
            exchange.answer(304, {"ETag": etag, "Content-Length": ""})
        else:
            exchange.answer(200, {"ETag": etag}, data)

    return behave


def slow_start(data: bytes, seconds: float) -> Behaviour:
    """Serve `data` after a delay."""

    def behave(exchange: Exchange) -> None:
        exchange.ended.wait(seconds)
        good(data)(exchange)

    return behave


def silent() -> Behaviour:
    """Read the request and never respond."""

    def behave(exchange: Exchange) -> None:
        exchange.ended.wait()
        exchange.hang_up()

    return behave


def drip_headers(pause: float = 0.1) -> Behaviour:
    """Send header lines without end, so that no single read of the client times out."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.ended.wait(pause):
            exchange.send(b"X")
        exchange.hang_up()

    return behave


def drip_body(pause: float = 0.1) -> Behaviour:
    """Send a body of a million bytes, byte by byte."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not exchange.ended.wait(pause):
            exchange.send(b"\xff")
        exchange.hang_up()

    return behave


def endless() -> Behaviour:
    """Send an endless body without Content-Length, as fast as possible."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
        while not exchange.ended.is_set():
            exchange.send(b"\xff" * 65536)
        exchange.hang_up()

    return behave


def huge(size: int) -> Behaviour:
    """Serve `size` bytes."""

    def behave(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65536 + 1):
            exchange.send(b"\xff" * 65536)
        exchange.hang_up()

    return behave


def lying_short(data: bytes) -> Behaviour:
    """Announce half of the bytes that are sent."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data) // 2)}, data)
        exchange.hang_up()

    return behave


def lying_long(data: bytes) -> Behaviour:
    """Announce more bytes than are sent, then close."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data) + 1000)}, data)
        exchange.hang_up()

    return behave


def reset_midway(data: bytes) -> Behaviour:
    """Send half of the body, then reset the connection."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data))}, data[: len(data) // 2])
        exchange.ended.wait(0.05)  # a reset discards what the client has not read yet
        exchange.reset()

    return behave


def garbage() -> Behaviour:
    """Send bytes that are not HTTP."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"220 mail.example.com ESMTP\r\n")
        exchange.hang_up()

    return behave


def gzipped(data: bytes) -> Behaviour:
    """Serve `data` in gzip encoding, whatever the request accepts."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Encoding": "gzip"}, gzip.compress(data))

    return behave


def gzip_bomb(size: int) -> Behaviour:
    """Serve a gzip body that decompresses to `size` bytes, a thousand times its length."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunks = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    packed = b"".join([*chunks, packer.flush()])

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Encoding": "gzip"}, packed)

    return behave


def pixel_bomb(side: int) -> bytes:
    """A valid black PNG of `side` x `side` pixels in a small file."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
