"""Whatever a URL or a server says, it ends in bytes or in an `ImageError`."""

import gc
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.servers import Exchange, HostileServer
from vecsim.errors import FAILURE_KINDS, ImageError
from vecsim.fetch import FetchOptions, UrlFetcher

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 20\r\nETag: \"1\"\r\n"
    b"Set-Cookie: a=b; Path=/\r\nContent-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n"
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00"
)  # fmt: skip
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n"
)
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /next?a=b#c\r\nContent-Length: 0\r\n\r\n"
STRANGE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999999\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: " + b"gzip," * 100 + b"gzip\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\nabc",
    b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: //\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://a:99999999/\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://%00/\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 300 + b"/\r\n\r\n",
    b"HTTP/1.1 302 Found\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: \xff\r\n\r\n",
    b"HTTP/1.1 999 ???\r\n\r\n",
    b"HTTP/9.9 200\r\n\r\n",
    b"HTTP/1.1 two OK\r\n\r\n",
    b"\x00" * 100,
    b"",
)


@pytest.fixture(scope="module")
def fetcher() -> Iterator[UrlFetcher]:
    options = FetchOptions(
        retries=0, deadline=2.0, read_timeout=0.5, give_up_after=10**9, max_bytes=100_000
    )
    made = UrlFetcher(options)
    yield made
    made.close()


def ending(fetcher: UrlFetcher, url: str) -> str:
    """The failure kind, or "ok"; any other exception is the test's failure."""
    try:
        fetcher.fetch(url)
    except ImageError as error:
        assert error.kind in FAILURE_KINDS
        assert error.message
        return error.kind
    return "ok"


def mutant(answer: bytes, chance: random.Random) -> bytes:
    data = bytearray(answer)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[place] = chance.randrange(256)
        elif chance.random() < 0.5:
            del data[place : place + chance.randint(1, 20)]
        else:
            data[place:place] = data[chance.randrange(len(data)) :][: chance.randint(1, 30)]
        if not data:
            break
    return bytes(data)


def test_malformed_answers(fetcher: UrlFetcher) -> None:
    chance = random.Random(3)
    answers = [*STRANGE, ANSWER, CHUNKED, REDIRECT]
    answers += [mutant(chance.choice(answers[-3:]), chance) for _ in range(400)]

    def behave(exchange: Exchange) -> None:
        exchange.send(answers[int(exchange.path[1:])] if exchange.path[1:].isdecimal() else b"")
        exchange.hang_up()

    routes = {f"/{number}": behave for number in range(len(answers))}
    with HostileServer(routes) as server:
        ends = [ending(fetcher, server.url(path)) for path in routes]
    assert len({*ends}) >= 5


@pytest.mark.filterwarnings("ignore:.*DeadlineSocket:pytest.PytestUnraisableExceptionWarning")
def test_two_lengths(fetcher: UrlFetcher) -> None:
    """urllib3 leaves this one connection to the garbage collector."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc")

    with HostileServer({"/a": behave}) as server:
        assert ending(fetcher, server.url("/a")) == "connect"
        gc.collect()


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_is_a_bad_address_or_no_file(fetcher: UrlFetcher, text: str) -> None:
    assert ending(fetcher, text) in ("bad-url", "no-file", "ok", "dns")
    assert ending(fetcher, f"file://{text}") in ("bad-url", "no-file", "ok")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_path_and_any_port_of_a_host(fetcher: UrlFetcher, text: str) -> None:
    assert ending(fetcher, f"http://127.0.0.1:1/{text}") in ("bad-url", "connect")
    assert ending(fetcher, f"http://127.0.0.1:{text}/") in ("bad-url", "connect", "dns", "timeout")
