"""What a chain of redirects carries along, and which statuses bring an image."""

import pytest

from support.fetching import MakeFetcher, fetch_error
from support.servers import HostileServer, RawServer, response

DATA = b"\xff\xd8" + bytes(998)


def _cookie_wall(head: bytes) -> bytes:
    """Serve the image to clients that keep a cookie, as some shops do."""
    if b"seen=1" in head:
        return response("200 OK", DATA)
    target = head.split(b" ")[1].decode()
    return response("302 Found", b"", f"Location: {target}", "Set-Cookie: seen=1; Path=/")


def test_cookies_last_for_one_chain_of_redirects(fetcher: MakeFetcher) -> None:
    with RawServer(_cookie_wall) as server:
        one = fetcher()
        for path in ("/a", "/b"):
            assert one.fetch(server.url(path)).data == DATA
        assert [b"\r\nCookie: seen=1" in head for head in server.heads] == [False, True] * 2


def test_cookies_are_not_sent_to_other_hosts(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: response("200 OK", DATA)) as other:
        target = other.url("/b", host="localhost")
        moved = response("302 Found", b"", f"Location: {target}", "Set-Cookie: secret=1; Path=/")
        with RawServer(lambda head: moved) as server:
            fetcher().fetch(server.url("/a"))
    assert b"secret" not in other.heads[0]


def test_a_path_of_a_cookie_is_kept(fetcher: MakeFetcher) -> None:
    def answer(head: bytes) -> bytes:
        if b" /shop/a " in head:
            return response("302 Found", b"", "Location: /b", "Set-Cookie: seen=1; Path=/shop")
        return response("200 OK", DATA)

    with RawServer(answer) as server:
        fetcher().fetch(server.url("/shop/a"))
        assert b"seen=1" not in server.heads[1]


def test_a_cookie_given_as_a_header_stays(fetcher: MakeFetcher) -> None:
    with RawServer(_cookie_wall) as server:
        error = fetch_error(
            fetcher(host_headers={"127.0.0.1": {"Cookie": "own=2"}}), server.url("/a")
        )
        assert error.kind == "redirect"
        assert all(b"\r\nCookie: own=2" in head for head in server.heads)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("203 Non-Authoritative Information", ()),
        ("206 Partial Content", (f"Content-Range: bytes 0-{len(DATA) - 1}/{len(DATA)}",)),
    ],
)
def test_statuses_that_bring_the_whole_image(
    fetcher: MakeFetcher, status: str, headers: tuple[str, ...]
) -> None:
    with RawServer(lambda head: response(status, DATA, *headers)) as server:
        fetched = fetcher(retries=0).fetch(server.url("/a"))
    assert fetched.data == DATA
    assert fetched.facts.http_status == int(status[:3])


@pytest.mark.parametrize("given", ["0-998/1000", "1-999/1000", "0-999/*", "*/1000", "", "x"])
def test_a_part_of_an_image_is_a_failure(fetcher: MakeFetcher, given: str) -> None:
    answer = response("206 Partial Content", DATA, f"Content-Range: bytes {given}")
    with RawServer(lambda head: answer) as server:
        error = fetch_error(fetcher(retries=0), server.url("/a"))
    assert (error.kind, error.http_status) == ("http", 206)


def test_a_redirect_to_itself_without_a_cookie_ends(fetcher: MakeFetcher) -> None:
    def behave(exchange: object) -> None:
        exchange.answer(302, {"Location": "/a"})  # type: ignore[attr-defined]

    with HostileServer({"/a": behave}) as server:
        assert fetch_error(fetcher(), server.url("/a")).kind == "redirect"
        assert server.seen.paths["/a"] == 6
