"""The limits of connections that a client of the server has, and which of them come first."""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from support import hostile_clients
from support.web_server import Server, connect, serving
from vecsim.web.sharing import Allowances, KnownClients

OPENAPI = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.ci
def test_a_client_has_a_limit_of_connections(built: Path) -> None:
    with serving(built, max_client_connections=5) as server:
        server.client.close()
        held = [connect(server, "127.0.0.2") for _ in range(8)]
        time.sleep(0.2)
        assert [connection.recv(20)[9:12] for connection in held[5:]] == 3 * [b"503"]
        with httpx.Client(trust_env=False) as other:
            assert other.get(server.api("indexes")).status_code == 200
        for connection in held:
            connection.close()
        time.sleep(0.2)
        with connect(server, "127.0.0.2") as again:
            again.sendall(OPENAPI)
            assert again.recv(20)[9:12] == b"200"


@pytest.mark.ci
def test_a_full_server_closes_the_connection_that_keeps_it_waiting(built: Path) -> None:
    limits = {"max_connections": 20, "max_client_connections": 20}
    with serving(built, **limits) as server:
        server.client.close()
        held = [connect(server, "127.0.0.2") for _ in range(20)]
        time.sleep(1.3)
        with httpx.Client(trust_env=False) as other:
            assert other.get(server.api("indexes")).status_code == 200
        held[0].settimeout(5)
        assert held[0].recv(1) == b""
        held[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            held[-1].recv(1)
        for connection in held:
            connection.close()


@pytest.mark.ci
def test_a_full_server_closes_a_connection_of_the_client_with_the_most(built: Path) -> None:
    with serving(built, max_connections=30, max_client_connections=30) as server:
        server.client.close()
        held = [connect(server, "127.0.0.2") for _ in range(30)]
        with httpx.Client(trust_env=False) as other:
            assert other.get(server.api("indexes")).status_code == 200
            with connect(server, "127.0.0.2") as one_more:
                assert one_more.recv(20)[9:12] == b"503"
        for connection in held:
            connection.close()


@pytest.mark.ci
def test_a_proxy_counts_by_the_client_that_it_names(built: Path) -> None:
    """Slow bodies of one client behind a proxy do not refuse another one behind it."""
    options = {"max_client_connections": 5, "trusted_proxies": ["127.0.0.9/32"]}
    body = hostile_clients.UPLOAD + b"Content-Length: 1000\r\nX-Forwarded-For: %b\r\n\r\n"
    with serving(built, **options) as server:
        held = []
        for _ in range(8):
            held.append(connect(server, "127.0.0.9"))
            held[-1].sendall(body % b"1.1.1.1, 8.8.8.8")
        time.sleep(0.3)
        assert [connection.recv(20)[9:12] for connection in held[5:]] == 3 * [b"503"]
        with connect(server, "127.0.0.9") as other:
            other.sendall(OPENAPI.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"))
            assert other.recv(20)[9:12] == b"200"
        for connection in held:
            connection.close()


@pytest.mark.ci
def test_an_untrusted_header_does_not_change_the_client(built: Path) -> None:
    with serving(built, max_client_connections=5) as server:
        server.client.close()
        held = []
        for number in range(8):
            held.append(connect(server, "127.0.0.9"))
            named = b"\r\nX-Forwarded-For: 9.9.9.%d\r\n\r\n" % number
            held[-1].sendall(OPENAPI.replace(b"\r\n\r\n", named))
        answers = [connection.recv(20)[9:12] for connection in held]
        assert answers == 5 * [b"200"] + 3 * [b"503"]
        for connection in held:
            connection.close()


def test_a_burst_is_allowed_again_after_a_pause_and_a_steady_stream_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    allowances = Allowances(12, 4.0)
    assert [allowances.take("a") for _ in range(14)] == 12 * [True] + 2 * [False]
    assert allowances.take("b")
    taken = 0
    for _ in range(400):
        now += 0.025
        taken += allowances.take("a")
    assert 28 <= taken <= 31  # three a second for ten seconds
    now += 4.0
    assert [allowances.take("a") for _ in range(13)] == 12 * [True] + [False]


def answer_of(connection: socket.socket) -> bytes:
    """Read one answer whose body is a JSON object; head and body may come one after the other."""
    answer = b""
    while not answer.endswith(b"}") and (part := connection.recv(1000)):
        answer += part
    return answer


@pytest.mark.ci
def test_many_connections_do_not_close_the_idle_ones_of_others(built: Path) -> None:
    with serving(built, max_connections=30, max_client_connections=40) as server:
        server.client.close()
        with connect(server) as idle:
            health = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            idle.sendall(health)
            assert answer_of(idle)[9:12] == b"200"
            time.sleep(1.2)
            many = [connect(server, "127.0.0.2") for _ in range(40)]
            assert many[-1].recv(20)[9:12] == b"503"
            idle.sendall(health)
            assert answer_of(idle)[9:12] == b"200"
            for connection in many:
                connection.close()


@pytest.mark.ci
def test_a_browser_gets_all_parts_of_a_page_while_the_server_is_late(built: Path) -> None:
    """It opens six connections at once; if one is refused, the page lacks a script."""
    health = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with serving(built) as server:
        assert server.client.get(server.api("health")).status_code == 200
        server.process.send_signal(signal.SIGSTOP)
        parts = [connect(server, "127.0.0.2") for _ in range(6)]
        for part in parts:
            part.sendall(health)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGCONT)
        assert [part.recv(4096).split(b" ")[1] for part in parts] == [b"200"] * 6
        for part in parts:
            part.close()


def test_a_client_is_known_for_some_time_after_it_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    known = KnownClients(2, 60.0)
    assert "a" not in known
    known.add("a")
    now += 59.0
    assert "a" in known
    known.add("b")
    known.add("a")
    known.add("c")
    assert [client in known for client in "abc"] == [True, False, True]
    now += 60.0
    assert "a" not in known


HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def statuses_after_a_stop(server: Server, addresses: list[str]) -> list[bytes]:
    """Return the statuses of one request from each address; the server is half a second late."""
    server.process.send_signal(signal.SIGSTOP)
    asked = [connect(server, address) for address in addresses]
    for connection in asked:
        connection.sendall(HEALTH)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGCONT)
    statuses = [connection.recv(20)[9:12] for connection in asked]
    for connection in asked:
        connection.close()
    return statuses


def ask_twice(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(HEALTH)
        assert answer_of(connection)[9:12] == b"200"


def ask_and_close(connection: socket.socket) -> None:
    connection.sendall(HEALTH)
    assert answer_of(connection)[9:12] == b"200"
    connection.close()
    time.sleep(0.2)


def ask_twice_at_once(connection: socket.socket) -> None:
    connection.sendall(2 * HEALTH)
    while connection.recv(1000):
        pass


def ask_and_reset(connection: socket.socket) -> None:
    connection.sendall(HEALTH)
    assert answer_of(connection)[9:12] == b"200"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    time.sleep(0.2)


@pytest.mark.parametrize(
    ("number", "ask", "status"),
    [
        (1, ask_twice, b"200"),
        pytest.param(2, ask_and_close, b"200", marks=pytest.mark.ci),
        pytest.param(3, ask_twice_at_once, b"503", marks=pytest.mark.ci),
        pytest.param(4, ask_and_reset, b"503", marks=pytest.mark.ci),
    ],
)
def test_known_clients_come_first_while_the_server_is_late(
    number: int, ask: Callable[[socket.socket], None], status: bytes, server: Server
) -> None:
    """150 clients connect at once, and then one that has been served before."""
    last = f"127.0.9.{number}"
    with connect(server, last) as connection:
        ask(connection)
    addresses = [f"127.0.{10 + number}.{1 + other}" for other in range(150)]

    statuses = statuses_after_a_stop(server, [*addresses, last])

    assert statuses[0] == b"200"
    assert 20 < statuses[:-1].count(b"503") < 130
    assert statuses[-1] == status
