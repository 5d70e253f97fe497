"""Responses of well-behaved and of hostile servers."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fetching import MakeFetcher, fetch_error
from support.servers import (
    HostileServer,
    conditional,
    drip_body,
    drip_headers,
    endless,
    garbage,
    good,
    gzip_bomb,
    gzipped,
    huge,
    in_turn,
    lying_long,
    lying_short,
    redirect,
    reset_midway,
    silent,
    slow_start,
    status,
    untrusted_certificate,
)

DATA = os.urandom(50_000)


def test_facts_of_a_good_image(fetcher: MakeFetcher) -> None:
    route = good(DATA, ETag='"1"', Last_Modified="Sun, 01 Nov 2026 00:00:00 GMT")
    with HostileServer({"/a.jpg": route}) as server:
        fetched = fetcher().fetch(server.url("/a.jpg"))
    facts = fetched.facts
    assert fetched.data == DATA
    assert facts.final_url == server.url("/a.jpg")
    assert (facts.http_status, facts.byte_count) == (200, len(DATA))
    assert facts.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (facts.etag, facts.last_modified) == ('"1"', "Sun, 01 Nov 2026 00:00:00 GMT")
    assert len(facts.fetched_at) == 25
    assert facts.fetched_at.endswith("+00:00")
    _path, headers = server.seen.headers[0]
    assert headers["User-Agent"].startswith("vecsim")


@pytest.mark.parametrize(
    "behaviour",
    [good(DATA, "text/html"), gzipped(DATA), slow_start(DATA, 0.3), good(DATA, Content_Length="")],
    ids=["wrong type", "gzip", "slow start", "no length"],
)
def test_unusual_but_valid_responses_are_read(
    fetcher: MakeFetcher, behaviour: Callable[..., None]
) -> None:
    with HostileServer({"/a": behaviour}) as server:
        assert fetcher().fetch(server.url("/a")).data == DATA


@pytest.mark.parametrize(
    ("behaviour", "kind", "attempts"),
    [
        (status(404), "http", 1),
        (status(410), "http", 1),
        (status(206, body=DATA), "http", 1),
        (status(304), "http", 1),
        (status(500), "http", 3),
        (status(408), "http", 3),
        (status(425), "http", 3),
        (lying_long(DATA), "truncated", 3),
        (reset_midway(DATA), "connect", 3),
        (garbage(), "connect", 3),
        (redirect("/a", 301), "redirect", 1),
        (redirect("file:///etc/passwd"), "redirect", 1),
        (redirect("ftp://127.0.0.1/"), "redirect", 1),
        (redirect("http://[::1"), "redirect", 1),
        (endless(), "too-large", 1),
        (huge(100_000_000), "too-large", 1),
        (gzip_bomb(1 << 28), "too-large", 1),
        (good(DATA, Content_Encoding="gzip"), "damaged", 1),
    ],
)
def test_kind_and_attempts_of_failures(
    fetcher: MakeFetcher, behaviour: Callable[..., None], kind: str, attempts: int
) -> None:
    with HostileServer({"/a": behaviour}) as server:
        error = fetch_error(fetcher(max_bytes=1_000_000), server.url("/a"))
        assert (error.kind, error.attempts) == (kind, attempts), error.message
        assert error.message
        assert error.final_url


def test_no_more_than_the_announced_length_is_read(fetcher: MakeFetcher) -> None:
    """The decoder sees that the image is cut; the next request must not get the rest."""
    with HostileServer({"/a": lying_short(DATA), "/b": good(b"b")}) as server:
        one = fetcher()
        assert one.fetch(server.url("/a")).data == DATA[: len(DATA) // 2]
        assert one.fetch(server.url("/b")).data == b"b"


@pytest.mark.parametrize("behaviour", [silent(), drip_headers(), drip_body(), endless()])
def test_the_deadline_ends_a_fetch(fetcher: MakeFetcher, behaviour: Callable[..., None]) -> None:
    with HostileServer({"/a": behaviour}) as server:
        began = time.monotonic()
        error = fetch_error(fetcher(deadline=0.6, max_bytes=10**12), server.url("/a"))
        assert error.kind == "timeout"
        assert 0.5 < time.monotonic() - began < 1.6


def test_a_read_timeout_is_retried_before_the_deadline(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": in_turn(silent(), good(DATA))}) as server:
        assert fetcher(read_timeout=0.3).fetch(server.url("/a")).data == DATA


def test_the_deadline_covers_all_redirects(fetcher: MakeFetcher) -> None:
    routes = {}
    for number in range(5):
        routes[f"/{number}"] = _slow(redirect(f"/{number + 1}"), 0.4)
    with HostileServer(routes) as server:
        began = time.monotonic()
        error = fetch_error(fetcher(deadline=1.0), server.url("/0"))
        assert error.kind == "timeout"
        assert error.final_url == server.url("/2")
        assert time.monotonic() - began < 1.5


def _slow(behaviour: Callable[..., None], seconds: float) -> Callable[..., None]:
    def behave(exchange: object) -> None:
        time.sleep(seconds)
        behaviour(exchange)

    return behave


def test_redirects_are_followed_up_to_the_limit(fetcher: MakeFetcher) -> None:
    routes = {f"/{number}": redirect(f"/{number + 1}", 307) for number in range(5)}
    with HostileServer({**routes, "/5": good(DATA)}) as server:
        assert fetcher().fetch(server.url("/0")).facts.final_url == server.url("/5")
        error = fetch_error(fetcher(max_redirects=4), server.url("/0"))
        assert error.kind == "redirect"


def test_chosen_headers_are_not_sent_to_another_origin_after_a_redirect(
    fetcher: MakeFetcher,
) -> None:
    own = {"127.0.0.1": {"Authorization": "secret"}}
    with HostileServer({"/b": good(DATA)}) as other:
        with HostileServer({"/a": redirect(other.url("/b"))}) as server:
            fetcher(headers={"X-Shop": "7"}, host_headers=own).fetch(server.url("/a"))
            first = server.seen.headers[0][1]
        second = other.seen.headers[0][1]
    assert (first["Authorization"], first["X-Shop"]) == ("secret", "7")
    assert (second["Authorization"], second["X-Shop"]) == (None, None)
    assert second["User-Agent"] == first["User-Agent"]


def test_a_conditional_request_returns_304_and_no_bytes(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": conditional(DATA, '"v1"')}) as server:
        one = fetcher()
        first = one.fetch(server.url("/a"))
        again = one.fetch(server.url("/a"), etag=first.facts.etag)
        assert (again.facts.http_status, again.data) == (304, b"")
        assert one.fetch(server.url("/a"), etag='"v0"').data == DATA


@pytest.mark.parametrize("case", ["self-signed", "other name"])
def test_untrusted_certificates_are_refused(
    fetcher: MakeFetcher, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "localhost" if case == "self-signed" else "example.com"
    certificate = untrusted_certificate(tmp_path, name)
    if certificate is None:
        pytest.skip("no openssl command to make a certificate with")
    if case == "other name":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with HostileServer({"/a": good(DATA)}, certificate=certificate) as server:
        error = fetch_error(fetcher(), server.url("/a", host="localhost"))
        assert (error.kind, error.attempts) == ("tls", 1)
        assert "certificate" in error.message


def test_a_certificate_bundle_of_the_environment_is_trusted(
    fetcher: MakeFetcher, trusted_certificate: Path
) -> None:
    routes = {"/a": good(DATA), "/drip": drip_headers()}
    with HostileServer(routes, certificate=trusted_certificate) as server:
        one = fetcher(deadline=1.0)
        assert one.fetch(server.url("/a", host="localhost")).data == DATA
        assert fetch_error(one, server.url("/drip", host="localhost")).kind == "timeout"


def test_the_deadline_covers_the_tls_handshake(fetcher: MakeFetcher) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        began = time.monotonic()
        error = fetch_error(fetcher(deadline=0.6), url)
        assert error.kind == "timeout"
        assert time.monotonic() - began < 1.6


def test_close_ends_fetches_in_progress(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": silent()}) as server:
        one = fetcher()
        threading.Timer(0.3, one.close).start()
        began = time.monotonic()
        assert fetch_error(one, server.url("/a")).kind == "connect"
        assert time.monotonic() - began < 2.0


def test_connections_are_reused(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": good(DATA), "/404": status(404)}) as server:
        one = fetcher()
        for _ in range(5):
            one.fetch(server.url("/a"))
            fetch_error(one, server.url("/404"))
        assert server.seen.connections == 1
