"""A server below a path of a proxy, and pages of other sites that may use the API (CORS)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.web_server import PICTURES, Server, serving
from vecsim.errors import UsageError
from vecsim.web import ServeOptions

TOKEN = "a-token-of-this-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def server(built: Path) -> Iterator[Server]:
    """A server below /a/pictures, which pages of one shop may use."""
    with serving(built, root_path="/a/pictures/", token=TOKEN, origins=[SHOP]) as running:
        yield running


@pytest.mark.parametrize("prefix", ["", "a/pictures/"])
def test_paths_have_the_prefix_whether_the_proxy_takes_it_off_or_not(
    server: Server, prefix: str
) -> None:
    client, base = server.client, f"{server.url}{prefix}"
    assert client.get(base).headers["location"].startswith("/a/pictures/login?next=")
    client.cookies.clear()
    login = client.post(f"{base}login", data={"token": TOKEN, "next": "/i/six?id=1"})
    assert login.headers["location"] == "/a/pictures/i/six?id=1"
    assert "Path=/a/pictures;" in login.headers["set-cookie"]
    client.cookies.clear()
    assert client.get(base, headers=BEARER).headers["location"] == "/a/pictures/i/six"
    for page in ("i/six", "i/six/browse", "i/six/groups", "i/six/failures", "i/six/about", "api"):
        text = client.get(f"{base}{page}", headers=BEARER).text
        assert 'href="/a/pictures/static/style.css' in text
        for start in ('href="/', 'src="/', 'action="/', 'data-api="/', 'data-page="/'):
            assert all(rest.startswith("a/pictures/") for rest in text.split(start)[1:]), page
    found = client.post(
        f"{base}api/v1/indexes/six/search/upload",
        content=(PICTURES / "1.jpg").read_bytes(),
        headers={**BEARER, "Content-Type": "image/jpeg"},
    ).json()
    thumbnail = found["matches"][0]["thumbnail"]
    assert thumbnail.startswith("/a/pictures/api/v1/indexes/six/thumbnail?id=")
    root = f"http://{urlsplit(server.url).netloc}"
    assert client.get(root + thumbnail, headers=BEARER).status_code == 200
    document = client.get(f"{base}api/v1/openapi.json", headers=BEARER).json()
    assert document["servers"] == [{"url": "/a/pictures"}]


def test_only_allowed_origins_read_answers(server: Server) -> None:
    url = server.api("indexes")
    asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}  # fmt: skip  # noqa: E501
    for origin, allowed in ((SHOP, True), ("https://evil.example", False), ("null", False)):
        preflight = server.client.options(url, headers={"Origin": origin, **asking})
        assert preflight.status_code == (200 if allowed else 400)
        answer = server.client.get(
            url, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site", **BEARER}
        )
        assert answer.status_code == (200 if allowed else 403)
        for each in (preflight, answer):
            assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)
            assert "access-control-allow-credentials" not in each.headers
    page = server.client.get(f"{server.url}i/six", headers={"Origin": SHOP, **BEARER})
    assert "access-control-allow-origin" not in page.headers
    assert server.client.get(url, headers={"Origin": SHOP}).status_code == 401
    login = server.client.post(f"{server.url}login", headers={"Origin": "https://evil.example"})
    assert login.status_code == 403


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"root_path": "pictures"}, "no path for a proxy"),
        ({"root_path": "/a//b"}, "no path for a proxy"),
        ({"root_path": '/a"b'}, "no path for a proxy"),
        ({"root_path": "/../x"}, "no path for a proxy"),
        ({"root_path": "/api/pictures"}, "begins like a path of the server"),
        ({"root_path": "/i"}, "begins like a path of the server"),
        ({"origins": ("*",)}, "not the origin of a site"),
        ({"origins": ("null",)}, "not the origin of a site"),
        ({"origins": ("https://shop.example/page",)}, "not the origin of a site"),
        ({"origins": ("https://shop.example",), "allow_files": True}, "can be reached from"),
    ],
)
def test_unusable_prefixes_and_origins_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ServeOptions(**options)  # type: ignore[arg-type]


def test_origins_are_taken_as_browsers_write_them() -> None:
    options = ServeOptions(origins=("HTTPS://Shop.Example/", "http://[::1]:3000"))
    assert options.origins == ("https://shop.example", "http://[::1]:3000")
