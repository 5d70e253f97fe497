"""The limits of requests, bodies and time that a client of the server has, one by one."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import httpx
import pytest

from support import hostile_clients
from support.event_loop import run_coroutine
from support.servers import HostileServer, good, slow_start
from support.web_server import PICTURES, Server, connect, serving
from vecsim.web import ServeOptions, request_bodies
from vecsim.web.sharing import ClientBudget

OPENAPI = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


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


@pytest.mark.ci
def test_a_client_that_takes_no_answer_is_closed(built: Path) -> None:
    with serving(built, write_seconds=1.0) as server:
        with connect(server) as connection:
            connection.sendall(OPENAPI * 100)
            assert is_closed(connection, 10.0)
        assert server.alive()


@pytest.mark.ci
def test_requests_are_not_begun_before_the_last_answer_is_taken(built: Path) -> None:
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


@pytest.mark.ci
def test_a_slow_reader_gets_its_whole_answer(built: Path) -> None:
    with serving(built, write_seconds=1.0) as server, connect(server) as connection:
        whole = server.client.get(server.api("openapi.json")).content
        connection.sendall(OPENAPI.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b""
        while part := connection.recv(1000):
            received += part
            time.sleep(0.02)
        assert received.partition(b"\r\n\r\n")[2] == whole


def test_one_client_does_not_take_all_requests() -> None:
    budget = ClientBudget(12, 8)
    assert sum(budget.acquire("a") for _ in range(12)) == 6
    assert sum(budget.acquire("b") for _ in range(12)) == 3
    assert budget.acquire("c")
    budget.release("a", 6)
    assert budget.taken == 4 and budget.acquire("c", 3)
    assert ClientBudget(100, 8).acquire("a", 8) and not ClientBudget(100, 8).acquire("a", 9)


def test_many_clients_together_do_not_take_what_each_may_have() -> None:
    budget = ClientBudget(12, 8, at_least=2)
    for client in map(str, range(20)):
        assert sum(budget.acquire(client) for _ in range(12)) >= 2
    assert budget.taken < 12 + 2 * 20


def upload_from(server: Server, address: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=30) as client:
        return client.post(
            server.api("indexes/six/search/upload"),
            content=(PICTURES / "2.jpg").read_bytes(),
            headers={"Content-Type": "image/jpeg"},
        )


def test_slow_bodies_of_many_clients_do_not_refuse_others(built: Path) -> None:
    with serving(built, max_connections=120) as server:
        held = [connect(server, f"127.0.1.{1 + n % 12}") for n in range(96)]
        for connection in held:
            connection.sendall(hostile_clients.UPLOAD + b"Content-Length: 1000\r\n\r\nx")
        assert server.alive()
        answer = upload_from(server, "127.0.0.2")
        assert answer.status_code == 200, answer.text
        for connection in held:
            connection.close()


@pytest.mark.ci
def test_slow_pictures_at_urls_of_many_clients_do_not_refuse_others(built: Path) -> None:
    picture = (PICTURES / "1.jpg").read_bytes()
    body = b'{"url": "%s"}'
    head = (
        b"POST /api/v1/indexes/six/search/url HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    with (
        HostileServer({"/slow": slow_start(picture, 1.0), "/quick": good(picture)}) as inside,
        serving(built, max_requests=16, allow_private=True) as server,
    ):
        held = [connect(server, f"127.0.1.{1 + n}") for n in range(12)]
        slow = body % inside.url("/slow").encode()
        for connection in held:
            connection.sendall(head % len(slow) + slow)
        time.sleep(0.3)
        answer = server.client.post(
            server.api("indexes/six/search/url"), json={"url": inside.url("/quick")}
        )
        assert answer.status_code == 200, answer.text
        for connection in held:
            connection.close()


def test_large_bodies_that_stop_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen clients send a part of a large body and wait; the next client's picture is taken."""
    monkeypatch.setattr(request_bodies, "_LEAST_SECONDS", 0.0)
    scope = {"type": "http", "path": "/api/v1/indexes/i/search/upload", "headers": []}
    part = bytes(1_000_000)

    async def endless(client: str, sent: list[str]) -> None:
        async def receive() -> dict[str, object]:
            if sent.count(client) == 18:
                await asyncio.Event().wait()
            sent.append(client)
            return {"type": "http.request", "body": part, "more_body": True}

        await bodies.receive(client, scope, receive)

    async def picture() -> dict[str, object]:
        return {"type": "http.request", "body": part, "more_body": False}

    async def attack() -> None:
        sent: list[str] = []
        stopped = [asyncio.create_task(endless(str(n), sent)) for n in range(16)]
        while len(sent) < 160:
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert await bodies.receive("honest", scope, picture) == part
        bodies.release("honest", len(part))
        await asyncio.sleep(0.1)
        dropped = [each.exception() for each in stopped if each.done()]
        assert any(getattr(each, "status", None) == 408 for each in dropped), dropped
        for each in stopped:
            each.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        for client in map(str, range(16)):  # nothing is counted any more
            assert await bodies.receive(client, scope, picture) == part

    bodies = request_bodies.Bodies(ServeOptions())
    run_coroutine(attack())


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
