"""Retries, waits, limits per host, and hosts that are given up."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from itertools import pairwise

import pytest

from support.servers import HostileServer, good, in_turn, reset_midway, silent, slow_start, status
from vecsim.errors import ImageError, UsageError
from vecsim.fetch import FetchOptions, FetchPool, UrlFetcher

MakeFetcher = Callable[..., UrlFetcher]
DATA = b"\xff\xd8" + bytes(1000)


def failure(fetcher: UrlFetcher, url: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(url)
    return caught.value


def closed_port() -> int:
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("trouble", [status(500), status(503), reset_midway(DATA)])
def test_a_second_attempt(fetcher: MakeFetcher, trouble: Callable[..., None]) -> None:
    with HostileServer({"/a": in_turn(trouble, good(DATA))}) as server:
        assert fetcher().fetch(server.url("/a")).data == DATA
        assert server.seen.paths["/a"] == 2


def test_waits_double(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": status(500)}) as server:
        assert failure(fetcher(retries=3, backoff=0.1), server.url("/a")).attempts == 4
        times = server.seen.times
    waits = [later - sooner for sooner, later in pairwise(times)]
    for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True):
        assert least <= wait < 2 * least + 0.3


def test_retry_after_seconds(fetcher: MakeFetcher) -> None:
    route = in_turn(status(429, {"Retry-After": "1"}), good(DATA))
    with HostileServer({"/a": route}) as server:
        fetcher().fetch(server.url("/a"))
        first, second = server.seen.times
    assert 0.95 < second - first < 2.0


def test_retry_after_date(fetcher: MakeFetcher) -> None:
    later = formatdate(time.time() + 2, usegmt=True)
    route = in_turn(status(503, {"Retry-After": later}), good(DATA))
    with HostileServer({"/a": route}) as server:
        fetcher().fetch(server.url("/a"))
        first, second = server.seen.times
    assert 0.5 < second - first < 3.0


@pytest.mark.parametrize("value", ["nonsense", "-5", "1e400", "99999999999999999999"])
def test_retry_after_nonsense_does_no_harm(fetcher: MakeFetcher, value: str) -> None:
    route = in_turn(status(429, {"Retry-After": value}), good(DATA))
    with HostileServer({"/a": route}) as server:
        began = time.monotonic()
        try:
            fetcher(deadline=2.0).fetch(server.url("/a"))
        except ImageError as error:
            assert error.http_status == 429  # it asked for a wait beyond the deadline
        assert time.monotonic() - began < 1.0


def test_a_wait_beyond_the_deadline_is_not_begun(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": status(429, {"Retry-After": "100"})}) as server:
        began = time.monotonic()
        error = failure(fetcher(deadline=5.0), server.url("/a"))
        assert (error.kind, error.http_status, error.attempts) == ("http", 429, 1)
        assert time.monotonic() - began < 1.0


def test_never_more_than_per_host_at_a_time(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": slow_start(DATA, 0.05)}) as server:
        one = fetcher(per_host=3)
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(30)))
        assert server.seen.peak == 3
        assert server.seen.connections <= 3


def test_waiting_for_a_slot_is_not_held_against_the_image(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": slow_start(DATA, 0.3)}) as server:
        one = fetcher(per_host=1, deadline=0.6)
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(4)))


def test_rate_per_host(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        one = fetcher(rate_per_host=20.0)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(11)))
        times = sorted(server.seen.times)
    assert times[-1] - times[0] > 0.45


def test_a_dead_host_is_given_up(fetcher: MakeFetcher) -> None:
    url = f"http://127.0.0.1:{closed_port()}/a"
    one = fetcher(give_up_after=10, retries=0)
    kinds = [failure(one, url) for _ in range(10)]
    assert all("refused" in error.message for error in kinds)
    began = time.monotonic()
    for _ in range(2000):
        error = failure(one, url)
        assert (error.kind, error.attempts) == ("connect", 0)
        assert "given up" in error.message
    assert time.monotonic() - began < 2.0


def test_a_million_rows_of_a_dead_host_do_not_fill_the_memory(fetcher: MakeFetcher) -> None:
    one = fetcher(give_up_after=1, retries=0)
    for number in range(300):
        failure(one, f"http://127.0.0.1:1/{number}")
    assert len(one._web_fetcher()._limits._hosts) == 1


def test_a_silent_host_is_given_up(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": silent()}) as server:
        one = fetcher(give_up_after=4, retries=0, read_timeout=0.2)
        with ThreadPoolExecutor(8) as threads:
            errors = list(threads.map(lambda _: failure(one, server.url("/a")), range(100)))
    asked = sum(error.kind == "timeout" for error in errors)
    assert 4 <= asked <= 16
    assert all("given up" in error.message for error in errors if error.kind == "connect")


def test_a_host_that_is_back_is_used_again(fetcher: MakeFetcher) -> None:
    one = fetcher(give_up_after=2, retries=0, give_up_for=0.3)
    with HostileServer({"/a": status(503), "/b": good(DATA)}) as server:
        for _ in range(2):
            failure(one, server.url("/a"))
        assert "given up" in failure(one, server.url("/b")).message
        time.sleep(0.4)
        failure(one, server.url("/a"))  # the trial fails: twice the rest
        time.sleep(0.4)
        assert "given up" in failure(one, server.url("/b")).message
        time.sleep(0.4)
        assert one.fetch(server.url("/b")).data == DATA
        assert one.fetch(server.url("/b")).data == DATA


def test_what_is_wrong_with_one_image_is_no_fault_of_the_host(fetcher: MakeFetcher) -> None:
    routes = {"/404": status(404), "/500": status(500), "/big": good(bytes(5000))}
    with HostileServer({**routes, "/a": good(DATA)}) as server:
        one = fetcher(give_up_after=2, retries=0, max_bytes=2000)
        for path in ("/404", "/500", "/big", "/nowhere") * 3:
            failure(one, server.url(path))
        assert one.fetch(server.url("/a")).data == DATA


def test_the_first_failure_is_reported_when_the_host_is_given_up_meanwhile(
    fetcher: MakeFetcher,
) -> None:
    error = failure(fetcher(give_up_after=1), f"http://127.0.0.1:{closed_port()}/a")
    assert "refused" in error.message
    assert error.attempts == 1


def test_a_slow_host_does_not_hold_up_the_pool(fetcher: MakeFetcher) -> None:
    routes = {"/a": slow_start(DATA, 0.7)}
    with HostileServer(routes) as slow, HostileServer({"/a": good(DATA)}) as quick:
        with FetchPool(fetcher(per_host=2, workers=4)) as pool:
            late = [pool.submit(slow.url("/a")) for _ in range(4)]
            soon = [pool.submit(quick.url("/a")) for _ in range(50)]
            assert all(future.result().data == DATA for future in soon)
            assert not late[2].done()
            assert all(future.result().data == DATA for future in late)
        assert slow.seen.peak == 2


def test_pool_passes_failures_on(fetcher: MakeFetcher) -> None:
    with HostileServer() as server, FetchPool(fetcher()) as pool:
        futures = {
            "http": pool.submit(server.url("/nowhere")),
            "bad-url": pool.submit("ftp://x/y"),
            "no-file": pool.submit("/nowhere/x.jpg"),
        }
        for kind, future in futures.items():
            error = future.exception()
            assert isinstance(error, ImageError)
            assert error.kind == kind


def test_pool_closed_without_waiting(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": silent()}) as server:
        one = fetcher(per_host=1, workers=2)
        pool = FetchPool(one)
        futures = [pool.submit(server.url("/a")) for _ in range(5)]
        while not server.seen.now:
            time.sleep(0.01)
        pool.close(wait=False)
        one.close()
        assert sum(future.cancelled() for future in futures) == 4
        assert isinstance(next(f for f in futures if not f.cancelled()).exception(5), ImageError)
        with pytest.raises(RuntimeError):
            pool.submit("/x")


def test_pool_from_many_threads(fetcher: MakeFetcher) -> None:
    server = HostileServer({f"/{n}": good(bytes([n])) for n in range(10)})

    def ask(number: int) -> bytes:
        return pool.submit(server.url(f"/{number % 10}")).result().data

    with server, FetchPool(fetcher()) as pool, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == [bytes([n % 10]) for n in range(200)]
    assert not any(thread.name == "vecsim-fetch" for thread in threading.enumerate())


def test_a_pool_starts_threads_as_they_are_needed(fetcher: MakeFetcher) -> None:
    def started() -> int:
        return sum(thread.name == "vecsim-fetch" for thread in threading.enumerate())

    server = HostileServer({"/a": slow_start(b"a", 0.3)})
    with server, FetchPool(fetcher(workers=3, per_host=8)) as pool:
        assert started() == 0
        assert pool.submit(server.url("/a")).result().data == b"a"
        assert started() == 1
        futures = [pool.submit(server.url("/a")) for _ in range(9)]
        assert [future.result().data for future in futures] == [b"a"] * 9
        assert started() == 3


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": 0},
        {"per_host": 0},
        {"retries": -1},
        {"rate_per_host": 0.0},
        {"max_bytes": float("nan")},
        {"workers": 0},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X Y": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"X": "\u20ac"}},
        {"user_agent": "a\nb"},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        FetchOptions(**options)  # type: ignore[arg-type]
