"""Malformed responses and addresses: every fetch ends in bytes or in an `ImageError`."""

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


def outcome(fetcher: UrlFetcher, url: str) -> str:
    """Return the failure kind, or "ok"; any other exception fails the test."""
    try:
        fetcher.fetch(url)
    except ImageError as error:
        assert error.kind in FAILURE_KINDS
        assert error.message
        return error.kind
    return "ok"


def mutant(answer: bytes, chance: random.Random) -> bytes:
    """Change, delete and repeat parts of `answer` at random."""
    data = bytearray(answer)
    for _ in range(chance.randint(1, 6)):
        position = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[position] = chance.randrange(256)
        elif chance.random() < 0.5:
            del data[position : position + chance.randint(1, 20)]
        else:
            data[position:position] = data[chance.randrange(len(data)) :][: chance.randint(1, 30)]
        if not data:
            break
    return bytes(data)


@pytest.mark.ci
def test_malformed_responses_end_in_image_errors(fetcher: UrlFetcher) -> None:
    chance = random.Random(3)
    answers = [*STRANGE, ANSWER, CHUNKED, REDIRECT]
    answers += [mutant(chance.choice(answers[-3:]), chance) for _ in range(400)]

    def behave(exchange: Exchange) -> None:
        exchange.send(answers[int(exchange.path[1:])] if exchange.path[1:].isdecimal() else b"")
        exchange.hang_up()

    routes = {f"/{number}": behave for number in range(len(answers))}
    with HostileServer(routes) as server:
        outcomes = [outcome(fetcher, server.url(path)) for path in routes]
    assert len({*outcomes}) >= 5


@pytest.mark.filterwarnings("ignore:.*DeadlineSocket:pytest.PytestUnraisableExceptionWarning")
def test_two_content_lengths_are_refused(fetcher: UrlFetcher) -> None:
    """urllib3 does not close this connection: the garbage collector does."""

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc")

    with HostileServer({"/a": behave}) as server:
        assert outcome(fetcher, server.url("/a")) == "connect"
        gc.collect()


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_as_an_address_ends_in_an_image_error(fetcher: UrlFetcher, text: str) -> None:
    assert outcome(fetcher, text) in ("bad-url", "no-file", "ok", "dns")
    assert outcome(fetcher, f"file://{text}") in ("bad-url", "no-file", "ok")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_as_path_or_port_ends_in_an_image_error(fetcher: UrlFetcher, text: str) -> None:
    assert outcome(fetcher, f"http://127.0.0.1:1/{text}") in ("bad-url", "connect")
    if "@" not in text:  # what follows it is another host, which may answer
        found = outcome(fetcher, f"http://127.0.0.1:{text}/")
        assert found in ("bad-url", "connect", "dns", "timeout")
