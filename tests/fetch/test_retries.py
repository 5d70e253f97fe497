"""Retries after temporary errors, and the waits between them."""

import time
from collections.abc import Callable
from email.utils import formatdate
from itertools import pairwise

import pytest

from support.fetching import MakeFetcher, closed_port, fetch_error
from support.servers import HostileServer, good, in_turn, reset_midway, status
from vecsim.errors import ImageError

DATA = b"\xff\xd8" + bytes(1000)


@pytest.mark.parametrize("failing", [status(500), status(503), reset_midway(DATA)])
def test_temporary_errors_are_retried(fetcher: MakeFetcher, failing: Callable[..., None]) -> None:
    with HostileServer({"/a": in_turn(failing, good(DATA))}) as server:
        assert fetcher().fetch(server.url("/a")).data == DATA
        assert server.seen.paths["/a"] == 2


def test_waits_between_attempts_double(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": status(500)}) as server:
        assert fetch_error(fetcher(retries=3, backoff=0.1), server.url("/a")).attempts == 4
        times = server.seen.times
    waits = [later - sooner for sooner, later in pairwise(times)]
    for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True):
        assert least <= wait < 2 * least + 0.3


def test_retry_after_in_seconds_is_kept(fetcher: MakeFetcher) -> None:
    route = in_turn(status(429, {"Retry-After": "1"}), good(DATA))
    with HostileServer({"/a": route}) as server:
        fetcher().fetch(server.url("/a"))
        first, second = server.seen.times
    assert 0.95 < second - first < 2.0


@pytest.mark.ci
def test_retry_after_as_a_date_is_kept(fetcher: MakeFetcher) -> None:
    later = formatdate(time.time() + 2, usegmt=True)
    route = in_turn(status(503, {"Retry-After": later}), good(DATA))
    with HostileServer({"/a": route}) as server:
        fetcher().fetch(server.url("/a"))
        first, second = server.seen.times
    assert 0.5 < second - first < 3.0


@pytest.mark.parametrize("value", ["nonsense", "-5", "1e400", "99999999999999999999"])
def test_an_invalid_retry_after_is_ignored(fetcher: MakeFetcher, value: str) -> None:
    route = in_turn(status(429, {"Retry-After": value}), good(DATA))
    with HostileServer({"/a": route}) as server:
        began = time.monotonic()
        try:
            fetcher(deadline=2.0).fetch(server.url("/a"))
        except ImageError as error:
            assert error.http_status == 429  # it asked for a wait beyond the deadline
        assert time.monotonic() - began < 1.0


def test_no_retry_whose_wait_would_pass_the_deadline(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": status(429, {"Retry-After": "100"})}) as server:
        began = time.monotonic()
        error = fetch_error(fetcher(deadline=5.0), server.url("/a"))
        assert (error.kind, error.http_status, error.attempts) == ("http", 429, 1)
        assert time.monotonic() - began < 1.0


def test_the_first_failure_is_reported_if_the_host_is_given_up_before_a_retry(
    fetcher: MakeFetcher,
) -> None:
    error = fetch_error(fetcher(give_up_after=1), f"http://127.0.0.1:{closed_port()}/a")
    assert "refused" in error.message
    assert error.attempts == 1
