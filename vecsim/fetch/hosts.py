"""Manners towards hosts: how many requests at a time, how fast, and when a host is given up."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.clock import clock
from vecsim.fetch.options import FetchOptions

_MOST_HOSTS = 20_000
"""Hosts remembered; beyond that the one that was asked longest ago is forgotten."""

_LONGEST_REST = 600.0


class GivenUpError(ImageError):
    """The host was given up; nothing was sent."""


class _Host:
    """What is known of one host. Times are `time.monotonic`."""

    __slots__ = ("closed_until", "failures", "free", "next_start", "on_trial", "rest", "running",
                 "waiting")  # fmt: skip

    def __init__(self, lock: threading.Lock, rest: float) -> None:
        self.free = threading.Condition(lock)
        self.running = 0
        self.waiting = 0
        self.next_start = 0.0
        self.failures = 0  # in a row
        self.closed_until = 0.0
        self.on_trial = False  # one request is out to see whether it is back
        self.rest = rest


class Hosts:
    """All hosts of a fetcher, by origin ("host:port"). Thread-safe."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @contextmanager
    def slot(self, origin: str) -> Iterator[None]:
        """Wait for one of the host's slots and hold it.

        The wait is not held against the image: the clock is set back. Raises `GivenUpError`.
        """
        began = time.monotonic()
        with self._lock:
            host = self._host(origin)
            self._admit(origin, host)
            host.waiting += 1
            try:
                self._wait(origin, host)
            finally:
                host.waiting -= 1
            host.running += 1
            if self._options.rate_per_host is not None:
                host.next_start = time.monotonic() + 1 / self._options.rate_per_host
        clock.extend(time.monotonic() - began)
        try:
            yield
        finally:
            with self._lock:
                host.running -= 1
                host.free.notify()

    def pause(self, origin: str, seconds: float) -> None:
        """Start nothing at this host for a while, as it asked."""
        with self._lock:
            host = self._host(origin)
            host.next_start = max(host.next_start, time.monotonic() + seconds)

    def succeeded(self, origin: str) -> None:
        """Note that the host answered."""
        with self._lock:
            host = self._host(origin)
            host.failures, host.closed_until, host.on_trial = 0, 0.0, False
            host.rest = self._options.give_up_for

    def failed(self, origin: str) -> None:
        """Note that the host refused, was not there, or fell silent."""
        with self._lock:
            host = self._host(origin)
            host.failures += 1
            now = time.monotonic()
            if host.on_trial:
                host.on_trial = False
                host.rest = min(2 * host.rest, _LONGEST_REST)
                host.closed_until = now + host.rest
            elif host.failures >= self._options.give_up_after and host.closed_until <= now:
                host.closed_until = now + host.rest
                host.free.notify_all()  # those who wait are to fail as well

    def _host(self, origin: str) -> _Host:
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = _Host(self._lock, self._options.give_up_for)
            if len(self._hosts) > _MOST_HOSTS:
                oldest = next(iter(self._hosts.values()))
                if not oldest.running and not oldest.waiting:
                    self._hosts.popitem(last=False)
        self._hosts.move_to_end(origin)
        return host

    def _admit(self, origin: str, host: _Host) -> None:
        """Refuse if the host is given up; when its rest is over, let one through to see."""
        if not host.closed_until:
            return
        now = time.monotonic()
        if host.closed_until > now:
            self._refuse(origin, host)
        host.on_trial = True
        host.closed_until = now + host.rest

    def _wait(self, origin: str, host: _Host) -> None:
        """Wait until a slot is free and the next start is due."""
        while True:
            full = host.running >= self._options.per_host
            early = host.next_start - time.monotonic()
            if not full and early <= 0:
                return
            host.free.wait(None if full else early)
            if host.closed_until and not host.on_trial:
                self._refuse(origin, host)

    def _refuse(self, origin: str, host: _Host) -> None:
        seconds = max(1.0, host.closed_until - time.monotonic())
        raise GivenUpError(
            FailureKind.CONNECT,
            f"{origin} was given up after {host.failures} failures in a row; "
            f"it is tried again in {seconds:.0f} s",
            attempts=0,
        )
