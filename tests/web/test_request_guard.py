"""Requests that are hostile, slow, too large, cross-site or without a token."""

from __future__ import annotations

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers import HostileServer, good, redirect, slow_start
from support.web_server import PICTURES, Server, serving
from vecsim import Index

TOKEN = "a-token-of-this-test"
JSON = {"Content-Type": "application/json"}


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
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# -- access --------------------------------------------------------------------------------------


def test_only_host_names_of_this_machine_are_accepted(reader: Server) -> None:
    port = reader.address[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", "[::1]:1", "localhost."):
        answer = reader.client.get(reader.api("indexes"), headers={"Host": host})
        assert answer.status_code == 200, host
    for host in ("evil.example", f"127.0.0.1.evil.example:{port}", "localhost@evil", "", "[::2]"):
        for path in ("api/v1/indexes", "", "static/search.js", "api/v1/health"):
            answer = reader.client.get(reader.url + path, headers={"Host": host})
            assert answer.status_code == 400, host
    assert reader.client.get(reader.api("x"), headers={"Host": "e"}).json()["kind"] == (
        "unknown-host"
    )


def test_cross_site_requests_are_refused(reader: Server) -> None:
    url, body = reader.api("indexes/six/search/url"), json.dumps({"url": "http://example.com/"})
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = reader.client.post(url, content=body, headers={**JSON, **headers})
        assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-origin")
    own = {"Origin": reader.url.rstrip("/"), "Sec-Fetch-Site": "same-origin", **JSON}
    assert reader.client.post(url, content='{"url": "x"}', headers=own).status_code == 422
    assert "access-control-allow-origin" not in reader.client.options(url, headers=own).headers


def test_read_only_server_refuses_writes(reader: Server) -> None:
    images = reader.api("indexes/six/images")
    for answer in (
        reader.client.post(images, json={"images": [{"url": "http://example.com/1.jpg"}]}),
        reader.client.delete(images, params={"id": "1"}),
    ):
        assert (answer.status_code, answer.json()["kind"]) == (403, "read-only")


def test_content_types_of_html_forms_cannot_write(writer: Server) -> None:
    body = json.dumps({"images": [{"url": "http://example.com/1.jpg"}]})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"Content-Type": kind}
        answer = writer.client.post(writer.api("indexes/six/images"), content=body, headers=headers)
        assert answer.status_code in (415, 422), kind


def test_every_response_has_security_headers(reader: Server) -> None:
    for path in ("", "i/six", "i/nope", "static/style.css", "api/v1/indexes", "api", "nope"):
        headers = reader.client.get(reader.url + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


def test_token_by_header_and_by_login(built: Path) -> None:
    with serving(built, token=TOKEN, hosts=["Shop.example"]) as server:
        client = server.client
        refused = ["", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
        cookie = {"Cookie": f"vecsim_{server.address[1]}={TOKEN}"}
        for headers in (*({"Authorization": each.encode()} for each in refused), cookie):
            answer = client.get(server.api("indexes"), headers=headers)
            assert (answer.status_code, answer.json()["kind"]) == (401, "token-needed")
            assert answer.headers["www-authenticate"] == "Bearer"
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(server.api("indexes"), headers=bearer).status_code == 200
        assert client.get(server.api("health")).status_code == 200
        for host, status in (("shop.example:80", 200), ("other.example", 400)):
            named = client.get(server.api("indexes"), headers={**bearer, "Host": host})
            assert named.status_code == status
        assert client.get(server.api("openapi.json")).status_code == 401

        page = client.get(f"{server.url}i/six?id=1")
        assert page.status_code == 303
        assert page.headers["location"] == "/login?next=%2Fi%2Fsix%3Fid%3D1"
        wrong = client.post(f"{server.url}login", data={"token": "x", "next": "/"})
        assert wrong.status_code == 401 and not wrong.cookies
        right = client.post(f"{server.url}login", data={"token": TOKEN, "next": "/i/six"})
        assert (right.status_code, right.headers["location"]) == (303, "/i/six")
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert client.get(f"{server.url}i/six").status_code == 200  # the client keeps cookies
        for away in ("//evil.example", "/\\evil.example", "https://evil.example", "/\nx"):
            there = client.post(f"{server.url}login", data={"token": TOKEN, "next": away})
            assert there.headers["location"] == "/"


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "017700000001", "0x7f000001", "127.1", "0.0.0.0",
     "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "8.8.8.8@127.0.0.1"],
)  # fmt: skip
def test_urls_of_private_addresses_are_refused(reader: Server, host: str) -> None:
    with HostileServer({"/a.jpg": good((PICTURES / "1.jpg").read_bytes())}) as inside:
        body = {"url": f"http://{host}:{inside.port}/a.jpg"}
        answer = reader.client.post(reader.api("indexes/six/search/url"), json=body)
        assert answer.status_code == 422
        assert answer.json()["kind"] in ("forbidden-address", "bad-url", "dns")
        assert not inside.seen.connections


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "/etc/passwd", "demo/images/1.jpg", "FILE:///etc/passwd", "ftp://x/y",
     "data:image/png;base64,AA", " file:///etc/passwd", "http://", "http:///a", "javascript:1",
     "http://[", "http://x:99999/", "\u0000", "http://169.254.169.254/latest/meta-data/",
     "http://10.0.0.1/", "gopher://127.0.0.1/"],
)  # fmt: skip
def test_urls_of_other_schemes_are_refused(reader: Server, url: str) -> None:
    answer = reader.client.post(reader.api("indexes/six/search/url"), json={"url": url})
    assert answer.status_code == 422, answer.text
    assert answer.json()["kind"] in ("bad-url", "forbidden-address")


def test_local_files_are_refused_even_if_private_addresses_are_allowed(
    writer: Server, changed: Path, shop: HostileServer
) -> None:
    picture = str(PICTURES / "1.jpg")
    shop.routes["/to-file"] = redirect(f"file://{picture}")
    for url in (picture, f"file://{picture}", shop.url("/to-file")):
        found = writer.client.post(writer.api("indexes/six/search/url"), json={"url": url})
        assert (found.status_code, found.json()["kind"]) in ((422, "bad-url"), (422, "redirect"))
    body = {"images": [{"url": picture, "id": "file"}]}
    assert writer.client.post(writer.api("indexes/six/images"), json=body).status_code == 422
    with Index.open(changed) as index:
        assert "file" not in index and len(index) == 7


def test_path_traversal_is_refused(reader: Server) -> None:
    for name in ("..", "%2e%2e", "..%2f..%2fetc", "%2fetc", "six%2f..%2fvectors", "six%00",
                 "....//", "six/../../etc", "%c0%ae%c0%ae", "six%5c..", "\\..\\"):  # fmt: skip
        for path in (f"/api/v1/indexes/{name}/images", f"/i/{name}/browse", f"/static/{name}/x"):
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = raw(reader, request.encode())
            assert status_of(answer) in (404, 400), (path, answer[:200])
    for path in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "//etc/passwd", "/etc/passwd"):
        request = f"GET /static/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert status_of(raw(reader, request.encode())) in (404, 400), path


# -- limits -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(built: Path):
    """A server with small size and time limits."""
    options = {"max_bytes": 100_000, "header_seconds": 1, "body_seconds": 1, "max_connections": 40}
    options |= {"max_requests": 4, "allow_private": True}
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
    import struct
    import zlib

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
    slow = [socket.create_connection(strict.address, timeout=15) for _ in range(30)]
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
