"""Fetches URLs and paths: `UrlFetcher` one at a time, `FetchPool` many, on threads.

A slow host cannot occupy the threads of the pool while others have work. If each thread took the
next URL, a list sorted by host would let all threads wait for the few slots of one slow host. Here
URLs queue by host, and a thread takes a URL only of a host on which fewer threads than its limit
are at work; hosts take turns.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.address import Address, parse_address
from vecsim.fetch.content import read_file
from vecsim.fetch.options import FetchOptions
from vecsim.fetch.public_addresses import is_public
from vecsim.records import Fetched, ImageFacts

if TYPE_CHECKING:
    from vecsim.fetch.web import WebFetcher


class UrlFetcher:
    """Fetches http(s) URLs, `file:` URLs and paths. Thread-safe; threads share its connections.

    `allowed` (with `public_only`): which numeric addresses may be connected to, by default those of
    the public internet. Raises `UsageError` if `public_only` cannot be guaranteed. The HTTP library
    is imported with the first http(s) URL.
    """

    def __init__(
        self,
        options: FetchOptions | None = None,
        *,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self.options = options or FetchOptions()
        self._allowed = allowed
        self._web: WebFetcher | None = None
        self._closed = False
        self._lock = threading.Lock()
        if self.options.public_only:
            self._web_fetcher()

    def fetch(
        self, url: str | Address, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Return the bytes behind `url`, whatever they are; raises `ImageError`.

        With the `etag` or `last_modified` of an earlier fetch, the result may be http_status 304
        and no bytes: nothing has changed since.
        """
        address = url if isinstance(url, Address) else parse_address(url)
        if address.path is None:
            return self._web_fetcher().fetch(address, etag, last_modified)
        if self.options.public_only:
            raise ImageError(FailureKind.BAD_URL, "only http(s) URLs are fetched here, not files")
        return read_file(address.path, address.url, self.options.max_bytes)

    def close(self) -> None:
        """Close the connections; fetches in progress fail soon."""
        with self._lock:
            self._closed = True
            if self._web is not None:
                self._web.close()

    def _web_fetcher(self) -> WebFetcher:
        with self._lock:
            if self._web is None:
                from vecsim.fetch.web import WebFetcher

                self._web = WebFetcher(self.options, self._allowed)
                if self._closed:
                    self._web.close()
            return self._web


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    address: Address
    earlier: ImageFacts | None
    result: Future[Fetched]


@dataclass(slots=True, eq=False)
class _HostQueue:
    """The jobs of one host that wait, and how many threads work on others of that host.

    `ready`: it stands in the queue of hosts that threads take jobs from.
    """

    jobs: deque[_Job] = field(default_factory=deque)
    running: int = 0
    ready: bool = False


class FetchPool:
    """At most `options.workers` threads that use a `UrlFetcher`, with a limit per host.

    `submit` does not wait: its caller bounds the number of jobs. The threads can look past a slow
    host only as far as that bound, so it should be large: URLs take little memory.
    """

    def __init__(self, fetcher: UrlFetcher) -> None:
        self._fetcher = fetcher
        self._threads_per_host = fetcher.options.threads_per_host
        self._changed = threading.Condition()
        self._queues: dict[str, _HostQueue] = {}  # by origin; "" for files
        self._ready: deque[str] = deque()  # origins with a job that may start, each once
        self._closed = False
        self._max_threads = fetcher.options.workers
        self._threads: list[threading.Thread] = []  # started as they are needed
        self._idle = 0  # threads that wait for a job

    def submit(self, url: str, earlier: ImageFacts | None = None) -> Future[Fetched]:
        """Start to fetch `url` as soon as a thread is free. The future may raise `ImageError`.

        `earlier`: facts of an earlier fetch. If the server says that nothing has changed since, the
        result has http_status 304 and no bytes.
        """
        result: Future[Fetched] = Future()
        try:
            address = parse_address(url)
        except ImageError as error:
            result.set_exception(error)
            return result
        with self._changed:
            if self._closed:
                raise RuntimeError("the fetch pool is closed")
            queue = self._queues.setdefault(address.origin, _HostQueue())
            queue.jobs.append(_Job(address, earlier, result))
            self._update_ready(address.origin, queue)
        return result

    def close(self, *, wait: bool = True) -> None:
        """End the threads: with `wait` after all jobs; without, cancel the jobs not yet started.

        The fetcher stays open: its owner closes it.
        """
        with self._changed:
            self._closed = True
            jobs = [job for queue in self._queues.values() for job in queue.jobs]
            self._changed.notify_all()
        if not wait:
            for job in jobs:
                job.result.cancel()
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

    def _update_ready(self, origin: str, queue: _HostQueue) -> None:
        """Queue the host for the threads if it has a job that may start (files: always)."""
        may_start = not origin or queue.running < self._threads_per_host
        if not queue.jobs or not may_start or queue.ready:
            return
        queue.ready = True
        self._ready.append(origin)
        if len(self._ready) > self._idle and len(self._threads) < self._max_threads:
            thread = threading.Thread(target=self._run, name="vecsim-fetch", daemon=True)
            self._threads.append(thread)
            thread.start()
        else:
            self._changed.notify()

    def _run(self) -> None:
        while (job := self._take()) is not None:
            if job.result.set_running_or_notify_cancel():
                try:
                    fetched = self._fetch(job)
                except BaseException as error:
                    job.result.set_exception(error)
                else:
                    job.result.set_result(fetched)
            self._finish(job.address.origin)

    def _fetch(self, job: _Job) -> Fetched:
        if job.earlier is None:
            return self._fetcher.fetch(job.address)
        return self._fetcher.fetch(
            job.address, etag=job.earlier.etag, last_modified=job.earlier.last_modified
        )

    def _take(self) -> _Job | None:
        """Wait for a job that may start; None when the pool is closed and none is left."""
        with self._changed:
            while not self._ready:
                if self._closed and not any(queue.jobs for queue in self._queues.values()):
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            origin = self._ready.popleft()
            queue = self._queues[origin]
            queue.ready = False
            job = queue.jobs.popleft()
            queue.running += 1
            self._update_ready(origin, queue)
            return job

    def _finish(self, origin: str) -> None:
        with self._changed:
            queue = self._queues[origin]
            queue.running -= 1
            self._update_ready(origin, queue)
            if not queue.jobs and not queue.running:
                del self._queues[origin]
                if self._closed:
                    self._changed.notify_all()  # this may have been the last job
