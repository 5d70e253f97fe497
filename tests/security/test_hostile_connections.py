"""Honest clients are served while hostile ones hold as many connections as they get."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from support import hostile_clients
from support.web_indexes import built, vectors  # noqa: F401 (fixtures)
from support.web_server import PICTURES, Server, serving

HONEST = 8
MEGABYTES = 300
"""By which the server may grow: the bodies, answers and buffers that docs/http-api.md names."""

GROWTH = 50
"""MB by which it may grow in the second half of a run."""


@pytest.fixture(scope="module")
def server(built: Path) -> Iterator[Server]:  # noqa: F811
    with serving(built) as running:
        yield running


def memory_of(process: subprocess.Popen[str]) -> int:
    """Memory of a process in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


@contextmanager
def hostile(server: Server, kind: str, count: int, addresses: int) -> Iterator[None]:
    """Run hostile connections beside the block."""
    program = [sys.executable, hostile_clients.__file__, kind]
    numbers = [server.address[1], count, addresses]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = (min(limits[1], max(limits[0], 2 * count + 100)), limits[1])
    with subprocess.Popen(
        [*program, *map(str, numbers)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, raised),
    ) as process:
        try:
            yield
        finally:
            process.kill()


@dataclass
class Experience:
    """What honest clients met: seconds of each request, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def share_within(self, limit: float) -> float:
        """The share of requests that were answered with status 200 within `limit` seconds."""
        good = sum(each < limit for each in self.seconds)
        return good / max(1, len(self.seconds) + len(self.troubles))


def be_honest(server: Server, seconds: float) -> Experience:
    """Ask as eight clients do, each a few times a second: pages, lists, searches, uploads."""
    met = Experience()
    picture = (PICTURES / "2.jpg").read_bytes()
    end = time.monotonic() + seconds

    def ask(address: str) -> None:
        kinds = [
            lambda: client.get(server.api("indexes")),
            lambda: client.get(server.api("indexes/six/search"), params={"id": "1"}),
            lambda: client.get(f"{server.url}i/six"),
            lambda: client.get(f"{server.url}static/search.js"),
            lambda: client.post(
                server.api("indexes/six/search/upload"),
                content=picture,
                headers={"Content-Type": "image/jpeg"},
            ),
        ]
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(timeout=30, transport=transport) as client:
            for turn in range(1_000_000):
                began = time.monotonic()
                if began > end:
                    return
                try:
                    answer = kinds[turn % len(kinds)]()
                    if answer.status_code == 200:
                        met.seconds.append(time.monotonic() - began)
                    else:
                        met.troubles.append(f"{answer.status_code} {answer.text[:200]}")
                except httpx.HTTPError as error:
                    met.troubles.append(repr(error))
                time.sleep(0.2)

    threads = [threading.Thread(target=ask, args=(f"127.0.0.{n + 1}",)) for n in range(HONEST)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return met


def soak(server: Server, kind: str, count: int, addresses: int, seconds: float) -> None:
    alone = be_honest(server, 1.0).seconds
    limit = max(1.0, 8 * max(alone))  # on a machine that is busy anyway, nobody is served in 1 s
    before = memory_of(server.process)
    with hostile(server, kind, count, addresses):
        time.sleep(2.0)
        met = be_honest(server, seconds / 2)
        middle = memory_of(server.process)
        more = be_honest(server, seconds / 2)
        late = memory_of(server.process)
    met.seconds += more.seconds
    met.troubles += more.troubles
    ordered = sorted(met.seconds)
    median, most = (ordered[int(share * len(ordered))] for share in (0.5, 0.95))
    print(
        f"{kind}: {count} connections of {addresses} addresses, {seconds:.0f} s: "
        f"{len(ordered) + len(met.troubles)} requests, {100 * met.share_within(1.0):.1f} % within "
        f"1 s, median {median:.3f} s, 95 % {most:.3f} s, {len(met.troubles)} refused; "
        f"memory {before}, {middle}, {late} MB"
    )
    assert met.share_within(limit) >= 0.95, met.troubles[:5]
    assert late - before < MEGABYTES
    assert late - middle < GROWTH
    assert server.alive()


@pytest.mark.parametrize("kind", hostile_clients.KINDS)
def test_honest_clients_are_served_beside_hostile_connections(server: Server, kind: str) -> None:
    soak(server, kind, count=150, addresses=4, seconds=3.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", hostile_clients.KINDS)
def test_honest_clients_are_served_beside_a_thousand_hostile_connections(
    server: Server, kind: str
) -> None:
    soak(server, kind, count=1000, addresses=20, seconds=300.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", hostile_clients.KINDS)
def test_honest_clients_are_served_beside_connections_of_a_thousand_addresses(
    server: Server, kind: str
) -> None:
    soak(server, kind, count=1000, addresses=1000, seconds=60.0)


# -- one rule each ---------------------------------------------------------------------------------

OPENAPI = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connect(server: Server, address: str = "127.0.0.1") -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.bind((address, 0))
    connection.connect(server.address)
    return connection


def is_closed(connection: socket.socket, within: float) -> bool:
    """Whether the server ends the connection; what it sent before is not read."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            connection.send(b"x")
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_a_client_that_takes_no_answer_is_closed(built: Path) -> None:  # noqa: F811
    with serving(built, write_seconds=1.0) as server:
        with connect(server) as connection:
            connection.sendall(OPENAPI * 100)
            assert is_closed(connection, 10.0)
        assert server.alive()


def test_requests_are_not_begun_before_the_last_answer_is_taken(built: Path) -> None:  # noqa: F811
    with serving(built, max_requests=16, max_client_requests=16) as server:
        held = [connect(server) for _ in range(40)]
        for connection in held:
            connection.setblocking(False)
            connection.send(OPENAPI * 50)
        time.sleep(1.0)
        for _ in range(20):
            answer = server.client.get(server.api("indexes"))
            assert answer.status_code == 200, answer.text
        assert server.client.get(server.api("health")).json()["waiting"] == 0
        for connection in held:
            connection.close()


def test_a_slow_reader_gets_its_whole_answer(built: Path) -> None:  # noqa: F811
    with serving(built, write_seconds=1.0) as server, connect(server) as connection:
        whole = server.client.get(server.api("openapi.json")).content
        connection.sendall(OPENAPI.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b""
        while part := connection.recv(1000):
            received += part
            time.sleep(0.02)
        assert received.partition(b"\r\n\r\n")[2] == whole


def test_a_client_has_a_limit_of_connections(built: Path) -> None:  # noqa: F811
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


def test_a_full_server_closes_the_connection_that_keeps_it_waiting(built: Path) -> None:  # noqa: F811
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


def test_a_full_server_closes_a_connection_of_the_client_with_the_most(
    built: Path,  # noqa: F811
) -> None:
    with serving(built, max_connections=30, max_client_connections=30) as server:
        server.client.close()
        held = [connect(server, "127.0.0.2") for _ in range(30)]
        with httpx.Client(trust_env=False) as other:
            assert other.get(server.api("indexes")).status_code == 200
            with connect(server, "127.0.0.2") as one_more:
                assert one_more.recv(20)[9:12] == b"503"
        for connection in held:
            connection.close()


def test_a_proxy_counts_by_the_client_that_it_names(built: Path) -> None:  # noqa: F811
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


def test_an_untrusted_header_does_not_change_the_client(built: Path) -> None:  # noqa: F811
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


def test_one_client_does_not_take_all_requests(built: Path) -> None:  # noqa: F811
    from vecsim.web.sharing import ClientBudget

    budget = ClientBudget(12, 8)
    assert sum(budget.acquire("a") for _ in range(12)) == 6
    assert sum(budget.acquire("b") for _ in range(12)) == 3
    assert budget.acquire("c")
    budget.release("a", 6)
    assert budget.taken == 4 and budget.acquire("c", 3)
    assert ClientBudget(100, 8).acquire("a", 8) and not ClientBudget(100, 8).acquire("a", 9)


def test_tiny_chunks_and_two_lengths_are_refused(server: Server) -> None:
    head = hostile_clients.UPLOAD + b"Transfer-Encoding: chunked\r\n"
    with connect(server) as connection:
        connection.sendall(head + b"\r\n" + b"1\r\nA\r\n" * 2000)
        assert connection.recv(20)[9:12] == b"400"
    with connect(server) as connection:
        connection.sendall(head + b"Content-Length: 4\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
        assert answer[9:12] == b"400" and b'"two-lengths"' in answer
    assert server.alive()
