"""The undocumented parts of urllib3 and http.client on which vecsim relies; all in one module."""

import http.client
import inspect
from pathlib import Path

import pytest
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

import vecsim.fetch
from support.fetching import MakeFetcher, fetch_error
from support.servers import RawServer, response
from vecsim.fetch import http_parts

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def test_the_parts_are_where_they_were() -> None:
    for connection in (HTTPConnection, HTTPSConnection):
        assert list(inspect.signature(connection._new_conn).parameters) == ["self"]
        assert list(inspect.signature(connection.putrequest).parameters)[:3] == [
            "self",
            "method",
            "url",
        ]
        assert list(inspect.signature(connection.getresponse).parameters) == ["self"]
        made = connection("shop.example.")
        assert (made.host, made._dns_host) == ("shop.example", "shop.example.")
        assert made.response_class is http.client.HTTPResponse
    assert set(urllib3.PoolManager().pool_classes_by_scheme) == {"http", "https"}
    for pool in (urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool):
        assert issubclass(pool.ConnectionCls, HTTPConnection)
    assert list(inspect.signature(http.client.HTTPResponse.begin).parameters) == ["self"]


def test_no_other_module_uses_private_names_of_the_libraries() -> None:
    here = Path(vecsim.fetch.__file__).parent
    for path in here.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != Path(http_parts.__file__).name:
            for name in ("_new_conn", "_dns_host", "pool_classes_by_scheme", "response_class"):
                assert name not in text, f"{path.name} uses {name}"


def test_the_parts_work_together(fetcher: MakeFetcher) -> None:
    """Each override takes effect; a version that does not call one would pass the test above."""
    with RawServer(lambda head: HINTS + response("200 OK", b"x")) as server:
        one = fetcher(retries=0)
        assert one.fetch(server.url("/a%2fb")).data == b"x"  # the target, the interim response
        assert not http_parts.current_request.on_kept_connection
        assert one.fetch(server.url("/a")).data == b"x"
        assert http_parts.current_request.on_kept_connection
        assert (server.targets, server.connections) == (["/a%2fb", "/a"], 1)


@pytest.mark.parametrize(
    "interim",
    [CONTINUE, HINTS, CONTINUE + HINTS + b"HTTP/1.1 102 Processing\r\n\r\n", 20 * HINTS],
    ids=["100", "103", "several", "twenty"],
)
def test_interim_responses_are_skipped(fetcher: MakeFetcher, interim: bytes) -> None:
    with RawServer(lambda head: interim + response("200 OK", b"x")) as server:
        assert fetcher(retries=0).fetch(server.url("/a")).data == b"x"


def test_interim_responses_without_end_are_a_failure(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: HINTS * 500) as server:
        error = fetch_error(fetcher(retries=0), server.url("/a"))
    assert error.kind == "connect"
    assert "interim" in error.message


def test_a_change_of_protocol_is_a_failure(fetcher: MakeFetcher) -> None:
    with RawServer(lambda head: response("101 Switching Protocols")) as server:
        assert fetch_error(fetcher(retries=0), server.url("/a")).http_status == 101
