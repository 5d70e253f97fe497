"""A server of images cannot make vecsim hold more than the limit, whatever its headers say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.fetching import fetch_error
from support.servers import Exchange, HostileServer, good
from vecsim.fetch import FetchOptions, UrlFetcher

LIMIT = 1_000_000
TWO_LENGTHS = b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n"


def chunked(head: bytes, megabytes: int, status: bytes = b"200 OK"):
    """A behaviour: chunks of a megabyte; counts how many the client has taken."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n")
        for _ in range(megabytes):
            exchange.send(b"100000\r\n" + b"A" * (1 << 20) + b"\r\n")
        exchange.send(b"0\r\n\r\n")
        exchange.hang_up()

    return behave


@pytest.fixture
def fetcher():
    made = UrlFetcher(FetchOptions(retries=0, max_bytes=LIMIT))
    yield made
    made.close()


def test_an_answer_with_two_lengths_is_refused(fetcher: UrlFetcher) -> None:
    with HostileServer({"/a": chunked(TWO_LENGTHS, 64)}) as server:
        error = fetch_error(fetcher, server.url("/a"))
        assert error.kind == "connect"
        assert "both Content-Length and Transfer-Encoding" in error.message
        assert server.seen.sent < 16 << 20, "the body was read"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"200 OK"),
        (b"Transfer-Encoding: chunked\r\nContent-Encoding: identity\r\n", b"200 OK"),
        (TWO_LENGTHS, b"404 Not Found"),
        (TWO_LENGTHS + b"Location: /b\r\n", b"302 Found"),
        (b"Content-Length: 10\r\ntransfer-encoding:chunked\r\n", b"200 OK"),
        (b"Content-Length: 10\r\nTransfer-Encoding: gzip, chunked\r\n", b"200 OK"),
        (b"Content-Length: 10\r\nContent-Length: 1000000000\r\n", b"200 OK"),
        (b"", b"200 OK"),
    ],
)
def test_no_body_is_read_beyond_the_limit(fetcher: UrlFetcher, head: bytes, status: bytes) -> None:
    routes = {"/a": chunked(head, 64, status), "/b": good(b"x")}
    with HostileServer(routes) as server:
        try:
            size = len(fetcher.fetch(server.url("/a")).data)
        except Exception:
            size = 0
        assert size <= LIMIT
        assert server.seen.sent < 16 << 20


def test_memory_of_a_process_stays_near_the_limit_of_bytes() -> None:
    """300 MB are sent under a limit of 1 MB."""
    code = (
        "import re, sys\n"
        "from vecsim.fetch import FetchOptions, UrlFetcher\n"
        "fetcher = UrlFetcher(FetchOptions(retries=0, max_bytes=1_000_000))\n"
        "try: fetcher.fetch(sys.argv[1])\n"
        "except Exception as error: print(error.kind)\n"
        "peak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]\n"
        "print(int(peak) // 1024)\n"
    )
    with HostileServer({"/a": chunked(TWO_LENGTHS, 300)}) as server:
        command = [sys.executable, "-c", code, server.url("/a")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        kind, megabytes = done.stdout.split()
    assert kind == "connect"
    assert int(megabytes) < 150
