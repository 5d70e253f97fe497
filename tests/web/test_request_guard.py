"""Requests that are cross-site, without a token, or for addresses that they must not reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.servers import HostileServer, good, redirect
from support.web_server import PICTURES, Server, raw, serving, status_of
from vecsim import Index

TOKEN = "a-token-of-this-test"
JSON = {"Content-Type": "application/json"}


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


@pytest.mark.ci
def test_token_by_header_and_by_login(built: Path) -> None:
    options = {"token": TOKEN, "hosts": ["Shop.example"], "wrong_token_seconds": 0.01}
    with serving(built, **options) as server:
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
     "http://[", "http://x:99999/", "http://169.254.169.254/latest/meta-data/",
     "http://10.0.0.1/", "gopher://127.0.0.1/"],
)  # fmt: skip
def test_urls_of_other_schemes_are_refused(reader: Server, url: str) -> None:
    answer = reader.client.post(reader.api("indexes/six/search/url"), json={"url": url})
    assert answer.status_code == 422, answer.text
    assert answer.json()["kind"] in ("bad-url", "forbidden-address")


def test_a_url_with_nul_is_an_invalid_request(reader: Server) -> None:
    answer = reader.client.post(reader.api("indexes/six/search/url"), json={"url": "http://x/\0"})
    assert (answer.status_code, answer.json()["kind"]) == (422, "invalid")


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
