"""Which addresses are connected to: with `public_only`, those of the public internet."""

import socket

import pytest

from support.fetching import MakeFetcher, fetch_error
from support.servers import HostileServer, good, redirect
from vecsim.errors import UsageError
from vecsim.fetch import FetchOptions, UrlFetcher

DATA = b"\xff\xd8" + bytes(1000)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "0x7f000001", "017700000001", "127.1",
     "0x7f.1", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "127.0.0.1.",
     "①②⑦.0.0.1", "user@127.0.0.1", "8.8.8.8@127.0.0.1"],
)  # fmt: skip
def test_spellings_of_loopback_addresses_are_refused(fetcher: MakeFetcher, host: str) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        error = fetch_error(fetcher(public_only=True), f"http://{host}:{server.port}/a")
        assert error.kind in ("forbidden-address", "bad-url", "dns"), error.message
        assert not server.seen.connections
        if host in ("127.0.0.1", "localhost", "2130706433", "017700000001"):
            assert error.kind == "forbidden-address"


def test_a_name_that_resolves_to_loopback_is_refused(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        url = server.url("/a", host="localhost")
        assert fetcher().fetch(url).data == DATA
        assert fetch_error(fetcher(public_only=True), url).kind == "forbidden-address"


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://localhost:{port}/b", "http://[::1]/b",
     "http://2130706433:{port}/b"],
)  # fmt: skip
def test_the_address_of_each_redirect_is_checked(fetcher: MakeFetcher, target: str) -> None:
    """One address is declared public for the test; everything else stays forbidden."""
    with HostileServer(address="127.0.0.2") as start, HostileServer({"/b": good(DATA)}) as inner:
        start.routes["/a"] = redirect(target.format(port=inner.port))
        one = fetcher(public_only=True, allowed=lambda address: address == "127.0.0.2")
        error = fetch_error(one, start.url("/a"))
        assert error.kind == "forbidden-address"
        assert error.final_url == target.format(port=inner.port)
        assert not inner.seen.connections


def test_the_address_checked_is_the_address_connected_to(
    fetcher: MakeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers first with a public address and then with an internal one."""
    answers = ["127.0.0.2", "127.0.0.1"]
    asked = []
    real = socket.getaddrinfo

    def lookup(host: str, port: object, *rest: object, **more: object) -> object:
        if host != "rebinding.test":
            return real(host, port, *rest, **more)  # type: ignore[arg-type]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[len(asked) - 1], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with HostileServer({"/a": good(DATA)}, address="127.0.0.2") as server:
        one = fetcher(public_only=True, allowed=lambda address: address == "127.0.0.2")
        assert one.fetch(f"http://rebinding.test:{server.port}/a").data == DATA
        assert asked == ["rebinding.test"]


def test_a_name_with_one_internal_address_is_refused(
    fetcher: MakeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)
    assert fetch_error(fetcher(public_only=True), "http://half.test/").kind == "forbidden-address"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_public_only_is_refused_behind_a_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"Behind a proxy.*public_only=False"):
        UrlFetcher(FetchOptions(public_only=True))
    UrlFetcher(FetchOptions()).close()


def test_the_proxy_of_the_environment_is_used(
    fetcher: MakeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = HostileServer({"http://shop.test/a.jpg": good(DATA)})
    with proxy, HostileServer({"/a": good(b"direct")}) as server:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        one = fetcher()
        assert one.fetch("http://shop.test/a.jpg").data == DATA
        assert one.fetch(server.url("/a")).data == b"direct"


def test_a_host_that_does_not_exist_fails_as_dns(fetcher: MakeFetcher) -> None:
    error = fetch_error(fetcher(), "http://does-not-exist.invalid/a.jpg")
    assert error.kind == "dns"
    assert "does-not-exist.invalid" in error.message
