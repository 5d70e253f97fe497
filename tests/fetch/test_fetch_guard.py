"""Which addresses are connected to, and what is not fetched at all."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.servers import HostileServer, good, redirect
from vecsim.errors import ImageError, UsageError
from vecsim.fetch import FetchOptions, UrlFetcher, is_public

MakeFetcher = Callable[..., UrlFetcher]
DATA = b"\xff\xd8" + bytes(1000)

NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "2001:0:7f00:1::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1",
          "::ffff:8.8.8.8", "64:ff9b::808:808")  # fmt: skip


def failure(fetcher: UrlFetcher, url: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(url)
    return caught.value


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_what_it_is_inside_ipv6(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "0x7f000001", "017700000001", "127.1",
     "0x7f.1", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "127.0.0.1.",
     "①②⑦.0.0.1", "user@127.0.0.1", "8.8.8.8@127.0.0.1"],
)  # fmt: skip
def test_spellings_of_this_machine_are_refused(fetcher: MakeFetcher, host: str) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        error = failure(fetcher(public_only=True), f"http://{host}:{server.port}/a")
        assert error.kind in ("forbidden-address", "bad-url", "dns"), error.message
        assert not server.seen.connections
        if host in ("127.0.0.1", "localhost", "2130706433", "017700000001"):
            assert error.kind == "forbidden-address"


def test_a_name_that_resolves_to_loopback(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        url = server.url("/a", host="localhost")
        assert fetcher().fetch(url).data == DATA
        assert failure(fetcher(public_only=True), url).kind == "forbidden-address"


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://localhost:{port}/b", "http://[::1]/b",
     "http://2130706433:{port}/b"],
)  # fmt: skip
def test_each_redirect_is_checked_anew(fetcher: MakeFetcher, target: str) -> None:
    """One address is declared public for the test; everything else stays forbidden."""
    with HostileServer(address="127.0.0.2") as start, HostileServer({"/b": good(DATA)}) as inner:
        start.routes["/a"] = redirect(target.format(port=inner.port))
        one = fetcher(public_only=True, allowed=lambda address: address == "127.0.0.2")
        error = failure(one, start.url("/a"))
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
    assert failure(fetcher(public_only=True), "http://half.test/").kind == "forbidden-address"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_no_guard_behind_a_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="proxy"):
        UrlFetcher(FetchOptions(public_only=True))
    UrlFetcher(FetchOptions()).close()


def test_a_proxy_of_the_environment_is_used(
    fetcher: MakeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = HostileServer({"http://shop.test/a.jpg": good(DATA)})
    with proxy, HostileServer({"/a": good(b"direct")}) as server:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        one = fetcher()
        assert one.fetch("http://shop.test/a.jpg").data == DATA
        assert one.fetch(server.url("/a")).data == b"direct"


@pytest.mark.parametrize(
    "url",
    ["", " ", "http://", "http:///a", "http://[::1", "http://a:b/", "http://a:99999/", "ftp://a/b",
     "gopher://a/", "data:image/png;base64,AAAA", "javascript:alert(1)", "file://other/x",
     "http://a b/", "http://\0/", "http://./", "http://*/"],
)  # fmt: skip
def test_addresses_that_are_none(fetcher: MakeFetcher, url: str) -> None:
    assert failure(fetcher(), url).kind == "bad-url"


def test_a_host_that_does_not_exist(fetcher: MakeFetcher) -> None:
    error = failure(fetcher(), "http://does-not-exist.invalid/a.jpg")
    assert error.kind == "dns"
    assert "does-not-exist.invalid" in error.message


def test_files_and_paths(
    fetcher: MakeFetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a shoe: 100%.jpg"
    path.write_bytes(DATA)
    one = fetcher()
    for url in (str(path), path.as_uri()):
        fetched = one.fetch(url)
        assert fetched.data == DATA
        assert fetched.facts.final_url == url
        assert fetched.facts.http_status is None
    monkeypatch.chdir(tmp_path)
    assert one.fetch("a shoe: 100%.jpg").data == DATA


def test_paths_that_hold_no_file(fetcher: MakeFetcher, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(bytes(5000))
    (tmp_path / "loop").symlink_to("loop")
    one = fetcher(max_bytes=2000)
    for name in ("nothing", "pipe", "loop", "", "pipe/x"):
        assert failure(one, str(tmp_path / name)).kind == "no-file"
    for device in ("/dev/zero", "/dev/tty"):
        assert failure(one, device).kind == "no-file"
    assert failure(one, str(tmp_path / "big")).kind == "too-large"
    assert failure(one, "x" * 5000).kind == "no-file"


def test_no_files_for_strangers(fetcher: MakeFetcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(DATA)
    one = fetcher(public_only=True)
    for url in (str(tmp_path / "a.jpg"), (tmp_path / "a.jpg").as_uri(), "FILE:///etc/passwd"):
        assert failure(one, url).kind == "bad-url"
