"""Connections that are kept for the next request, and that a server closed meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.fetching import MakeFetcher, fetch_error
from support.servers import RawServer, response

DATA = b"\xff\xd8" + bytes(1000)


def test_a_kept_connection_that_was_closed_costs_no_wait_and_no_attempt(
    fetcher: MakeFetcher,
) -> None:
    """Each connection is closed a moment after its first response, without a word."""
    with RawServer(lambda head: response("200 OK", DATA), close_after=0.01) as server:
        one = fetcher(retries=0, backoff=60.0)
        began = time.monotonic()
        for number in range(40):
            assert one.fetch(server.url(f"/{number}")).data == DATA
            time.sleep(0.005 * (number % 4))  # before and after the server closes
        assert time.monotonic() - began < 10.0
        assert set(server.targets) == {f"/{number}" for number in range(40)}


def test_a_body_that_was_read_leaves_its_connection_free(fetcher: MakeFetcher) -> None:
    bodies = [DATA, b"", DATA[:1], b"", DATA]
    with RawServer(lambda head: response("200 OK", bodies[int(head.split()[1][1:])])) as server:
        one = fetcher(retries=0)
        found = [one.fetch(server.url(f"/{number}")).data for number in range(len(bodies))]
        assert (found, server.connections) == (bodies, 1)


def test_many_threads_do_without_connections_that_were_closed(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: response("200 OK", DATA), close_after=0.01) as server:
        one = fetcher(retries=0, backoff=60.0)
        with ThreadPoolExecutor(8) as threads:
            urls = [server.url(f"/{number}") for number in range(200)]
            assert all(fetched.data == DATA for fetched in threads.map(one.fetch, urls))


def test_a_kept_tls_connection_that_was_closed_is_replaced(
    fetcher: MakeFetcher, trusted_certificate: Path
) -> None:
    answer = response("200 OK", DATA)
    with RawServer(
        lambda head: answer, close_after=0.01, certificate=trusted_certificate
    ) as server:
        one = fetcher(retries=0, backoff=60.0)
        for number in range(10):
            assert one.fetch(server.url(f"/{number}", host="localhost")).data == DATA
            time.sleep(0.005 * (number % 4))


def test_a_new_connection_that_is_closed_is_a_failure(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: b"", close_after=0.0) as server:
        error = fetch_error(fetcher(retries=0), server.url("/a"))
        assert (error.kind, error.attempts) == ("connect", 1)
        assert len(server.heads) == 1


def test_a_response_that_ends_early_is_not_asked_for_at_once_again(fetcher: MakeFetcher) -> None:
    lock = threading.Lock()
    asked: list[bytes] = []

    def answer(head: bytes) -> bytes:
        with lock:
            asked.append(head)
        return response("200 OK", DATA) if len(asked) == 1 else response("200 OK", DATA)[:-1]

    with RawServer(answer) as server:
        one = fetcher(retries=0, read_timeout=0.3)
        one.fetch(server.url("/a"))
        assert fetch_error(one, server.url("/b")).kind == "timeout"
        assert len(server.heads) == 2
