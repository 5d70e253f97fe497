"""Limits per host, and hosts that are given up."""

import time
from concurrent.futures import ThreadPoolExecutor

from support.fetching import MakeFetcher, closed_port, fetch_error
from support.servers import HostileServer, good, silent, slow_start, status

DATA = b"\xff\xd8" + bytes(1000)


def test_at_most_per_host_requests_at_a_time(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": slow_start(DATA, 0.05)}) as server:
        one = fetcher(per_host=3)
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(30)))
        assert server.seen.peak == 3
        assert server.seen.connections <= 3


def test_waiting_for_a_slot_does_not_count_against_the_deadline(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": slow_start(DATA, 0.3)}) as server:
        one = fetcher(per_host=1, deadline=0.6)
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(4)))


def test_requests_per_second_and_host_are_limited(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": good(DATA)}) as server:
        one = fetcher(rate_per_host=20.0)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: one.fetch(server.url("/a")), range(11)))
        times = sorted(server.seen.times)
    assert times[-1] - times[0] > 0.45


def test_a_host_that_refuses_is_given_up(fetcher: MakeFetcher) -> None:
    url = f"http://127.0.0.1:{closed_port()}/a"
    one = fetcher(give_up_after=10, retries=0)
    kinds = [fetch_error(one, url) for _ in range(10)]
    assert all("refused" in error.message for error in kinds)
    began = time.monotonic()
    for _ in range(2000):
        error = fetch_error(one, url)
        assert (error.kind, error.attempts) == ("connect", 0)
        assert "given up" in error.message
    assert time.monotonic() - began < 2.0


def test_many_urls_of_a_host_are_counted_as_one_host(fetcher: MakeFetcher) -> None:
    one = fetcher(give_up_after=1, retries=0)
    for number in range(300):
        fetch_error(one, f"http://127.0.0.1:1/{number}")
    assert len(one._web_fetcher()._limits._hosts) == 1


def test_a_host_that_sends_nothing_is_given_up(fetcher: MakeFetcher) -> None:
    with HostileServer({"/a": silent()}) as server:
        one = fetcher(give_up_after=4, retries=0, read_timeout=0.2)
        with ThreadPoolExecutor(8) as threads:
            errors = list(threads.map(lambda _: fetch_error(one, server.url("/a")), range(100)))
    asked = sum(error.kind == "timeout" for error in errors)
    assert 4 <= asked <= 16
    assert all("given up" in error.message for error in errors if error.kind == "connect")


def test_a_host_that_works_again_is_used_again(fetcher: MakeFetcher) -> None:
    one = fetcher(give_up_after=2, retries=0, give_up_for=0.3)
    with HostileServer({"/a": status(503), "/b": good(DATA)}) as server:
        for _ in range(2):
            fetch_error(one, server.url("/a"))
        assert "given up" in fetch_error(one, server.url("/b")).message
        time.sleep(0.4)
        fetch_error(one, server.url("/a"))  # the trial fails: the pause doubles
        time.sleep(0.4)
        assert "given up" in fetch_error(one, server.url("/b")).message
        time.sleep(0.4)
        assert one.fetch(server.url("/b")).data == DATA
        assert one.fetch(server.url("/b")).data == DATA


def test_failures_of_single_images_do_not_count_against_the_host(fetcher: MakeFetcher) -> None:
    routes = {"/404": status(404), "/500": status(500), "/big": good(bytes(5000))}
    with HostileServer({**routes, "/a": good(DATA)}) as server:
        one = fetcher(give_up_after=2, retries=0, max_bytes=2000)
        for path in ("/404", "/500", "/big", "/nowhere") * 3:
            fetch_error(one, server.url(path))
        assert one.fetch(server.url("/a")).data == DATA
