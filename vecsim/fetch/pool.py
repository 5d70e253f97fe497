"""Threads that fetch, none of which ever waits for a slow host while others have work.

With threads that each take the next URL, a source sorted by host puts all of them to wait for the
few slots of one slow host. Here URLs queue by host, and a thread takes one only of a host that has
a slot left, hosts in turn.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType

from vecsim.errors import ImageError
from vecsim.fetch.address import local_path, origin
from vecsim.fetch.fetcher import UrlFetcher
from vecsim.records import Fetched, ImageFacts

_Job = tuple[str, "ImageFacts | None", "Future[Fetched]"]


class _Queue:
    """The URLs of one host that wait, how many are being fetched, and whether more may be."""

    __slots__ = ("jobs", "ready", "running")

    def __init__(self) -> None:
        self.jobs: deque[_Job] = deque()
        self.running = 0
        self.ready = False  # stands in the line of hosts that threads take jobs from


class FetchPool:
    """At most `options.workers` threads over a `UrlFetcher`, fair to hosts.

    `submit` does not wait: the caller bounds how much is under way. That bound is also how far
    the threads can look past a slow host, so let it be large: URLs are small.
    """

    def __init__(self, fetcher: UrlFetcher) -> None:
        options = fetcher.options
        self._fetcher = fetcher
        self._per_host = options.per_host
        if options.rate_per_host is not None:  # more threads would only wait for their turn
            self._per_host = min(options.per_host, max(1, round(options.rate_per_host)))
        self._work = threading.Condition()
        self._queues: dict[str, _Queue] = {}
        self._ready: deque[str] = deque()  # hosts with jobs and a slot, each once, in turn
        self._closed = False
        self._most = options.workers
        self._threads: list[threading.Thread] = []  # started as they are needed
        self._idle = 0  # of them, those that wait for work

    def submit(self, url: str, stored: ImageFacts | None = None) -> Future[Fetched]:
        """Fetch `url` soon. The future's `result()` raises `ImageError`.

        `stored`: the facts of an earlier fetch; if nothing has changed since, as far as the server
        can tell, the answer is http_status 304 and no bytes.
        """
        future: Future[Fetched] = Future()
        try:
            place = origin(url) if local_path(url.strip()) is None else ""
        except ImageError as error:
            future.set_exception(error)
            return future
        with self._work:
            if self._closed:
                raise RuntimeError("the fetch pool is closed")
            queue = self._queues.setdefault(place, _Queue())
            queue.jobs.append((url, stored, future))
            self._line_up(place, queue)
        return future

    def close(self, *, wait: bool = True) -> None:
        """End: with `wait` after all that was submitted; without, what has not begun is cancelled.

        The fetcher stays open: it is its owner's.
        """
        with self._work:
            self._closed = True
            jobs = [job for queue in self._queues.values() for job in queue.jobs]
            self._work.notify_all()
        if not wait:
            for _url, _stored, future in jobs:
                future.cancel()
        else:
            for thread in self._threads:
                thread.join()

    def __enter__(self) -> FetchPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(wait=kind is None)

    def _line_up(self, place: str, queue: _Queue) -> None:
        """Let the host stand in line if it has jobs and a slot (files need none)."""
        free = not place or queue.running < self._per_host
        if queue.jobs and free and not queue.ready:
            queue.ready = True
            self._ready.append(place)
            if len(self._ready) > self._idle and len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="vecsim-fetch", daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._work.notify()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            place, (url, stored, future) = taken
            if future.set_running_or_notify_cancel():
                try:
                    etag, modified = (stored.etag, stored.last_modified) if stored else (None, None)
                    fetched = self._fetcher.fetch(url, etag=etag, last_modified=modified)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(fetched)
            self._done(place)

    def _take(self) -> tuple[str, _Job] | None:
        """The next job of a host with a slot; None at the end."""
        with self._work:
            while not self._ready:
                if self._closed and not any(queue.jobs for queue in self._queues.values()):
                    return None
                self._idle += 1
                self._work.wait()
                self._idle -= 1
            place = self._ready.popleft()
            queue = self._queues[place]
            queue.ready = False
            job = queue.jobs.popleft()
            queue.running += 1
            self._line_up(place, queue)
            return place, job

    def _done(self, place: str) -> None:
        with self._work:
            queue = self._queues[place]
            queue.running -= 1
            self._line_up(place, queue)
            if not queue.jobs and not queue.running:
                del self._queues[place]
                if self._closed:
                    self._work.notify_all()  # this may have been the last
