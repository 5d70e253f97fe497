"""`Resolver` and `connect`, with a name server of the test's own."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fetching import closed_port
from vecsim.errors import ImageError
from vecsim.fetch.connection import Resolver, connect
from vecsim.fetch.deadline import current_deadline
from vecsim.fetch.errors import TransientError


@pytest.fixture(autouse=True)
def _deadline() -> None:
    current_deadline.start(60.0, 20.0)


class NameServer:
    """Replaces `getaddrinfo`; `answer` returns numeric addresses or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], list[str]]) -> None:
        self.lookups: list[str] = []
        self._answer = answer
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: object, **_: object) -> list[object]:
        self.lookups.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in self._answer(host)
        ]


def test_addresses_have_the_requested_port(monkeypatch: pytest.MonkeyPatch) -> None:
    NameServer(monkeypatch, lambda host: ["192.0.2.1", "192.0.2.2"])
    assert Resolver().addresses("shop.example", 8080) == [
        (socket.AF_INET, ("192.0.2.1", 8080)),
        (socket.AF_INET, ("192.0.2.2", 8080)),
    ]


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(host: str) -> list[str]:
        time.sleep(0.1)
        return ["192.0.2.1"]

    server = NameServer(monkeypatch, answer)
    resolver = Resolver()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: resolver.addresses("shop.example", 80), range(20)))
    assert server.lookups == ["shop.example"]


def test_a_name_that_does_not_exist_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    server = NameServer(monkeypatch, lambda host: [])
    resolver = Resolver()
    for _ in range(3):
        with pytest.raises(ImageError, match=r"there is no host shop\.example") as caught:
            resolver.addresses("shop.example", 80)
        assert caught.value.kind == "dns"
        assert not isinstance(caught.value, TransientError)
    assert len(server.lookups) == 1


def test_a_temporary_failure_of_the_name_server_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(host: str) -> list[str]:
        if len(server.lookups) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return ["192.0.2.1"]

    server = NameServer(monkeypatch, answer)
    resolver = Resolver()
    with pytest.raises(TransientError) as caught:
        resolver.addresses("shop.example", 80)
    assert caught.value.kind == "dns"
    assert resolver.addresses("shop.example", 80)


def test_a_slow_name_server_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def answer(host: str) -> list[str]:
        release.wait(10)
        return ["192.0.2.1"]

    NameServer(monkeypatch, answer)
    current_deadline.start(0.2, 20.0)
    with pytest.raises(TransientError) as caught:
        Resolver().addresses("shop.example", 80)
    release.set()
    assert caught.value.kind == "timeout"


def test_one_address_that_is_not_allowed_forbids_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    NameServer(monkeypatch, lambda host: ["192.0.2.1", "10.0.0.1"])
    resolver = Resolver(allowed=lambda address: address == "192.0.2.1")
    with pytest.raises(ImageError, match=r"shop\.example is 10\.0\.0\.1") as caught:
        resolver.addresses("shop.example", 80)
    assert caught.value.kind == "forbidden-address"


def test_connect_tries_the_addresses_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        NameServer(monkeypatch, lambda host: ["127.0.0.3", "127.0.0.2"])
        with connect(Resolver(), "shop.example", server.getsockname()[1], 5.0) as connection:
            assert connection.getpeername()[0] == "127.0.0.2"


def test_connect_to_a_port_that_refuses_is_a_transient_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    NameServer(monkeypatch, lambda host: ["127.0.0.1"])
    with pytest.raises(TransientError, match=r"no connection to shop\.example port") as caught:
        connect(Resolver(), "shop.example", closed_port(), 5.0)
    assert caught.value.kind == "connect"
