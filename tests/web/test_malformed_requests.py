"""Requests that are no valid HTTP, form data, method or picture."""

from __future__ import annotations

import random
import re
import socket

import pytest

from support.web_server import PICTURES, Server, raw, status_of


@pytest.mark.parametrize(
    "body",
    [b"", b"--", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
     b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nnot a file\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n',
     b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n\r\n--x--\r\n',
     b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n--x--", b"\0" * 1000,
     b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 50 + b"--x--\r\n"],
    ids=range(11),
)  # fmt: skip
def test_malformed_multipart_bodies_are_refused(reader: Server, body: bytes) -> None:
    odd = ("; boundary=x", "", "; boundary=", "; boundary=\xe9" + "y" * 300)
    for kind in (f"multipart/form-data{each}" for each in odd):
        answer = reader.client.post(
            reader.api("indexes/six/search/upload"),
            content=body,
            headers={"Content-Type": kind.encode("latin-1")},
        )
        assert 400 <= answer.status_code < 500, (kind, answer.status_code, answer.text)
        assert answer.json()["detail"]


def test_malformed_http_is_refused(reader: Server) -> None:
    seed = random.Random(5)
    requests = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        *(seed.randbytes(seed.randrange(1, 3000)) + b"\r\n\r\n" for _ in range(30)),
    ]
    for request in requests:
        answer = raw(reader, request, wait=0.5)
        assert status_of(answer) in (0, 303, 400, 404, 431), (request[:60], answer[:100])
    assert reader.alive()


def test_unsupported_methods_get_405(reader: Server) -> None:
    for path in ("api/v1/indexes", "api/v1/indexes/six/search/url", "i/six", "static/style.css"):
        for method in ("PUT", "PATCH", "TRACE", "CONNECTED", "PROPFIND", "DELETE"):
            answer = reader.client.request(method, reader.url + path)
            assert answer.status_code == 405, (method, path, answer.status_code)


def test_damaged_pictures_get_200_or_422(reader: Server) -> None:
    seed, data = random.Random(11), (PICTURES / "2.jpg").read_bytes()
    for _ in range(60):
        mutant = bytearray(data)
        for _ in range(seed.randrange(1, 30)):
            mutant[seed.randrange(len(mutant))] = seed.randrange(256)
        mutant = mutant[: seed.randrange(len(mutant))] if seed.random() < 0.3 else mutant
        answer = reader.client.post(
            reader.api("indexes/six/search/upload"),
            content=bytes(mutant),
            headers={"Content-Type": "image/jpeg"},
        )
        assert answer.status_code in (200, 422), answer.text


def test_an_answer_is_sent_in_one_piece(reader: Server) -> None:
    with socket.create_connection(reader.address, timeout=10) as connection:
        for request in (b"GET /api/v1/health", b"HEAD /api/v1/health", b"GET /nowhere"):
            connection.sendall(request + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", head.lower())[0])
            assert len(body) == (0 if request.startswith(b"HEAD") else length)
