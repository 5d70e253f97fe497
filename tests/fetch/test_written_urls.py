"""The server is asked for what was written: each URL of a table byte for byte as curl asks."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fetching import MakeFetcher
from support.servers import RawServer, response
from vecsim.errors import ImageError
from vecsim.fetch.request import redirect_url, split_url

AS_WRITTEN = (
    "/a%2fb", "/a%2Fb", "/%7Euser", "/%41", "/50%-off/red%20shoe/1.jpg", "/x?w=100%&n=a%20b",
    "/x?sig=a%2fb%2Fc%3d", "/a//b", "/%2e%2e/x", "/a/%2E%2E/b", "/a?", "/a;p=1;q", "/a|b", "/a{b}",
    "/a^b", "/a`b", '/a"b', "/a<b>", "/a\\b", "/a[b]", "/a?x=[1]", "/a?x=a|b", "/a?x=a+b",
    "/a?x=/../y", "/a?x=?y", "/a'b", "/(a)", "/a!$&*,=:@", "/a%zz", "/a%", "/a%2", "/a%C3%BC",
    "/a%c3%bc", "/~a", "/a%00b", "/a%0d%0ab", "/a?x=%E2%82%AC", "/.hidden", "/a/..hidden/b",
    "/a/...", "/x?u=http://h/y?z", "/x?u=http%3A%2F%2Fh", "/a%25b", "/a%2525b", "/:80/x", "/@x",
    "/a?X-Amz-Signature=ab%2Bcd%3D&X-Amz-Date=2026%2F1",
)  # fmt: skip
"""Targets that are sent as they are."""

CHANGED = {
    "": "/",
    "?x=1": "/?x=1",
    "#f": "/",
    "/a#f?x": "/a",
    "/a?#f": "/a?",
    "/a/../b": "/b",
    "/a/./b": "/a/b",
    "/../x": "/x",
    "/a//../b": "/a/b",
    "/a/b/..": "/a/",
    "/a/.": "/a/",
}
"""Targets that curl completes: dot segments, fragments, no path."""

FORBIDDEN = {
    "/a b": "/a%20b",
    "/a?x=a b": "/a?x=a%20b",
    "/a\tb": "/a%09b",
    "/bücher?x=€": "/b%C3%BCcher?x=%E2%82%AC",
}
"""Targets that HTTP forbids, escaped; curl refuses white space and sends the others raw."""

TABLE = [*((target, target) for target in AS_WRITTEN), *CHANGED.items()]


def test_targets_of_requests_are_what_was_written(fetcher: MakeFetcher) -> None:
    rows = [*TABLE, *FORBIDDEN.items()]
    assert len(rows) >= 60
    with RawServer(lambda head: response("200 OK", b"x")) as server:
        one = fetcher(retries=0)
        for written, _ in rows:
            one.fetch(server.url(written))
        assert server.targets == [expected for _, expected in rows]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl command")
def test_targets_of_requests_are_those_of_curl(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: response("200 OK", b"x")) as server:
        urls = [server.url(written) for written, _ in TABLE]
        for url in urls:
            command = ["curl", "--silent", "--globoff", "--noproxy", "*", "--output", "-", url]
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        asked_by_curl, server.heads[:] = server.targets, []
        one = fetcher(retries=0)
        for url in urls:
            one.fetch(url)
        assert server.targets == asked_by_curl


def test_a_proxy_is_asked_for_the_url_as_it_was_written(
    fetcher: MakeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(lambda head: response("200 OK", b"x")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.setenv("no_proxy", "")
        fetcher().fetch("http://user:secret@Shop.Example/50%-off/a%2fb?x=%7e#part")
        assert proxy.targets == ["http://shop.example/50%-off/a%2fb?x=%7e"]
        assert b"secret" not in proxy.heads[0]


def test_credentials_in_a_url_are_sent_as_a_header_only(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: response("200 OK", b"x")) as server:
        fetcher().fetch(f"http://user:pa%20ss%40x@127.0.0.1:{server.port}/a%2fb")
        lines = server.heads[0].decode().split("\r\n")
        assert server.targets == ["/a%2fb"]
        assert "Authorization: Basic dXNlcjpwYSBzc0B4" in lines
        assert f"Host: 127.0.0.1:{server.port}" in lines


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b%2f%7e?x=%", "http://shop.example:81/b%2f%7e?x=%"),
        ("b.jpg", "http://shop.example:81/dir/b.jpg"),
        ("../b.jpg", "http://shop.example:81/dir/../b.jpg"),
        ("?b", "http://shop.example:81/dir/a?b"),
        ("//other.example/b", "http://other.example/b"),
        ("HTTPS://other.example/%2f", "HTTPS://other.example/%2f"),
        ("/with space/1.jpg?x=a b", "http://shop.example:81/with%20space/1.jpg?x=a%20b"),
        ("/bücher.jpg", "http://shop.example:81/b%FCcher.jpg"),
        ("/bÃ¼cher.jpg", "http://shop.example:81/b%C3%BCcher.jpg"),
        ("http://bÃ¼cher.example/Ã¼", "http://bücher.example/%C3%BC"),
        (" /b ", "http://shop.example:81/b"),
    ],
)
def test_a_redirect_leads_to_what_the_server_wrote(location: str, expected: str) -> None:
    assert redirect_url("http://shop.example:81/dir/a?q=1", location) == expected


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "ftp://h/", "javascript:alert(1)"])
def test_a_redirect_to_no_web_address_is_refused(location: str) -> None:
    with pytest.raises(ImageError) as caught:
        redirect_url("http://shop.example/a", location)
    assert caught.value.kind == "redirect"


@pytest.mark.parametrize("raw", [b"/b\xc3\xbccher.jpg", b"/b\xfccher.jpg"])
def test_redirects_in_utf8_and_latin1_are_followed(fetcher: MakeFetcher, raw: bytes) -> None:
    def answer(head: bytes) -> bytes:
        if head.startswith(b"GET /start "):
            return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + raw + b"\r\n\r\n"
        return response("200 OK", b"x")

    with RawServer(answer) as server:
        fetcher().fetch(server.url("/start"))
        assert server.targets[1] in ("/b%C3%BCcher.jpg", "/b%FCcher.jpg")
        assert bytes.fromhex(server.targets[1].partition("%")[2][:2])[0] in raw


@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_every_target_fits_in_a_request_line(rest: str) -> None:
    if rest.startswith("\\"):
        return
    base, target = split_url("http://shop.example" + "/" + rest)
    assert base == "http://shop.example"
    assert target.startswith("/")
    assert all("!" <= character <= "~" for character in target)
    assert "#" not in target
