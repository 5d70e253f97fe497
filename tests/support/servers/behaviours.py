"""What a `HostileServer` can do at a path, from good to malicious."""

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
    """The first request gets the first behaviour and so on; the last one stays."""

    def behave(exchange: Exchange) -> None:
        behaviours[min(exchange.number, len(behaviours)) - 1](exchange)

    return behave


def conditional(data: bytes, etag: str) -> Behaviour:
    """Serve `data`, or 304 to those who have it."""

    def behave(exchange: Exchange) -> None:
        if exchange.headers["If-None-Match"] == etag:
            exchange.answer(304, {"ETag": etag, "Content-Length": ""})
        else:
            exchange.answer(200, {"ETag": etag}, data)

    return behave


def slow_start(data: bytes, seconds: float) -> Behaviour:
    """Be silent for a while, then good."""

    def behave(exchange: Exchange) -> None:
        exchange.ended.wait(seconds)
        good(data)(exchange)

    return behave


def silent() -> Behaviour:
    """Take the request and never answer."""

    def behave(exchange: Exchange) -> None:
        exchange.ended.wait()
        exchange.hang_up()

    return behave


def drip_headers(pause: float = 0.1) -> Behaviour:
    """Send one header line after the other for ever; no read of the client ever times out."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.ended.wait(pause):
            exchange.send(b"X")
        exchange.hang_up()

    return behave


def drip_body(pause: float = 0.1) -> Behaviour:
    """Send a body byte by byte, a million of them."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not exchange.ended.wait(pause):
            exchange.send(b"\xff")
        exchange.hang_up()

    return behave


def endless() -> Behaviour:
    """Send a body without length and without end, as fast as it goes."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
        while not exchange.ended.is_set():
            exchange.send(b"\xff" * 65536)
        exchange.hang_up()

    return behave


def huge(size: int) -> Behaviour:
    """Serve `size` honest bytes."""

    def behave(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65536 + 1):
            exchange.send(b"\xff" * 65536)
        exchange.hang_up()

    return behave


def lying_short(data: bytes) -> Behaviour:
    """Announce half of what is sent."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data) // 2)}, data)
        exchange.hang_up()

    return behave


def lying_long(data: bytes) -> Behaviour:
    """Announce more than is sent, and close."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data) + 1000)}, data)
        exchange.hang_up()

    return behave


def reset_midway(data: bytes) -> Behaviour:
    """Send half of it, then break the connection off."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Length": str(len(data))}, data[: len(data) // 2])
        exchange.ended.wait(0.05)  # a reset overtakes what the client has not read yet
        exchange.reset()

    return behave


def garbage() -> Behaviour:
    """Do not speak HTTP at all."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"220 mail.example.com ESMTP\r\n")
        exchange.hang_up()

    return behave


def gzipped(data: bytes) -> Behaviour:
    """Serve `data` in gzip encoding, asked for or not."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Encoding": "gzip"}, gzip.compress(data))

    return behave


def gzip_bomb(size: int) -> Behaviour:
    """Serve a thousandth of `size` bytes, which gzip makes `size` of."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunks = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    packed = b"".join([*chunks, packer.flush()])

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, {"Content-Encoding": "gzip"}, packed)

    return behave


def pixel_bomb(side: int) -> bytes:
    """An honest black PNG, small as a file, of `side` times `side` pixels."""
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
