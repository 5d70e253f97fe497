"""`FetchPool`: threads that fetch from many hosts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fetching import MakeFetcher
from support.servers import HostileServer, good, silent, slow_start
from vecsim.errors import ImageError
from vecsim.fetch import FetchPool

DATA = b"\xff\xd8" + bytes(1000)


def test_a_slow_host_does_not_occupy_all_threads(fetcher: MakeFetcher) -> None:
    routes = {"/a": slow_start(DATA, 0.7)}
    with HostileServer(routes) as slow, HostileServer({"/a": good(DATA)}) as quick:
        with FetchPool(fetcher(per_host=2, workers=4)) as pool:
            late = [pool.submit(slow.url("/a")) for _ in range(4)]
            soon = [pool.submit(quick.url("/a")) for _ in range(50)]
            assert all(future.result().data == DATA for future in soon)
            assert not late[2].done()
            assert all(future.result().data == DATA for future in late)
        assert slow.seen.peak == 2


def test_futures_raise_image_errors(fetcher: MakeFetcher) -> None:
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


def test_closing_without_waiting_cancels_what_has_not_started(fetcher: MakeFetcher) -> None:
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


def test_many_threads_may_submit(fetcher: MakeFetcher) -> None:
    server = HostileServer({f"/{n}": good(bytes([n])) for n in range(10)})

    def ask(number: int) -> bytes:
        return pool.submit(server.url(f"/{number % 10}")).result().data

    with server, FetchPool(fetcher()) as pool, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == [bytes([n % 10]) for n in range(200)]
    assert not any(thread.name == "vecsim-fetch" for thread in threading.enumerate())


def test_threads_are_started_as_they_are_needed(fetcher: MakeFetcher) -> None:
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
