"""Requests that are too large, too slow or too many at a time."""

from __future__ import annotations

import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers import HostileServer, slow_start
from support.web_server import PICTURES, Server, raw, serving, status_of


@pytest.fixture(scope="module")
def strict(built: Path):
    """A server with small size and time limits."""
    options = {"max_bytes": 100_000, "header_seconds": 1, "body_seconds": 1, "max_connections": 40}
    options |= {"max_requests": 32, "allow_private": True}  # one client has four by URL
    with serving(built, **options) as server:
        yield server


def test_too_large_body_is_refused(strict: Server) -> None:
    url, kind = strict.api("indexes/six/search/upload"), {"Content-Type": "image/jpeg"}

    def endless():
        for _ in range(40):
            yield bytes(10_000)

    for body in (bytes(200_000), endless()):
        answer = strict.client.post(url, content=body, headers=kind)
        assert (answer.status_code, answer.json()["kind"]) == (413, "too-large")
    huge = b"POST /api/v1/indexes/six/search/upload HTTP/1.1\r\nHost: localhost\r\n"
    for length in (b"999999999999", b"99999999999999999999999999"):
        answer = raw(strict, huge + b"Content-Length: " + length + b"\r\n\r\nx")
        assert status_of(answer) in (413, 400), answer[:100]
    long = {"url": "http://example.com/" + "x" * 2_000_000}
    answer = strict.client.post(strict.api("indexes/six/search/url"), json=long)
    assert answer.status_code == 413
    assert strict.alive()


def test_picture_with_too_many_pixels_is_refused(reader: Server) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99)))
    answer = reader.client.post(
        reader.api("indexes/six/search/upload"), content=bomb, headers={"Content-Type": "image/png"}
    )
    assert (answer.status_code, answer.json()["kind"]) == (422, "too-large")


@pytest.mark.parametrize(
    "head",
    [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "],
)
def test_incomplete_headers_close_the_connection(strict: Server, head: bytes) -> None:
    with socket.create_connection(strict.address, timeout=15) as connection:
        connection.sendall(head)
        for _ in range(100):  # single bytes must not extend the time limit
            try:
                if head:
                    connection.sendall(b"x")
                connection.settimeout(0.2)
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection is still open")
    assert strict.alive()


def test_incomplete_headers_of_a_second_request_close_the_connection(strict: Server) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert b'"ok"' in raw(strict, request + b"GET /api", wait=15)


def test_incomplete_body_gets_408(strict: Server) -> None:
    head = (
        b"POST /api/v1/indexes/six/search/upload HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\nabc"
    )
    answer = raw(strict, head, wait=15)
    assert status_of(answer) == 408 and b'"too-slow"' in answer


def test_slow_uploads_do_not_delay_other_clients(strict: Server) -> None:
    other = ("127.0.0.2", 0)
    slow = [
        socket.create_connection(strict.address, timeout=15, source_address=other)
        for _ in range(30)
    ]
    try:
        for connection in slow:
            connection.sendall(
                b"POST /api/v1/indexes/six/search/upload HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: image/jpeg\r\nContent-Length: 50000\r\n\r\n" + bytes(1000)
            )
        assert strict.search("six", (PICTURES / "2.jpg").read_bytes(), k=1)["matches"]
    finally:
        for connection in slow:
            connection.close()


def test_too_many_connections_get_503(strict: Server) -> None:
    time.sleep(0.3)  # until the connections of the previous test are closed
    held = [socket.create_connection(strict.address, timeout=15) for _ in range(45)]
    try:
        answers = [connection.recv(100) for connection in held[42:]]
        assert all(status_of(answer) == 503 for answer in answers)
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.3)
    assert strict.alive()


def test_too_many_active_requests_get_503_with_retry_after(strict: Server) -> None:
    picture = (PICTURES / "1.jpg").read_bytes()
    with (
        HostileServer({"/slow.jpg": slow_start(picture, 1.0)}) as inside,
        ThreadPoolExecutor(10) as pool,
    ):
        url, body = strict.api("indexes/six/search/url"), {"url": inside.url("/slow.jpg")}
        asked = [pool.submit(strict.client.post, url, json=body) for _ in range(10)]
        answers = [each.result() for each in asked]
        assert sorted({answer.status_code for answer in answers}) == [200, 503]
        assert sum(answer.status_code == 200 for answer in answers) == 4
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.json()["kind"] == "busy" and refused.headers["retry-after"] == "1"
        assert strict.alive()
