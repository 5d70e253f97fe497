"""Politeness limits per host: requests at a time, requests per second, pauses after failures."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.deadline import current_deadline
from vecsim.fetch.options import FetchOptions

_MAX_HOSTS = 20_000
"""Hosts that are remembered; beyond that, the least recently used one is forgotten."""

_MAX_PAUSE = 600.0
"""Seconds."""


class HostUnavailableError(ImageError):
    """The host is not asked at the moment because it failed too often; nothing was sent."""


@dataclass(slots=True, eq=False)
class _Host:
    """The state of one host. Times are `time.monotonic`; `pause` is in seconds.

    `unavailable_until`: no request before; 0 for a host that works. `trial_running`: one request is
    under way to find out whether the host works again. `pause`: how long the host is left alone
    when it fails (again).
    """

    slot_free: threading.Condition
    pause: float
    running: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)
    next_start: float = field(default=0.0, init=False)
    failures_in_a_row: int = field(default=0, init=False)
    unavailable_until: float = field(default=0.0, init=False)
    trial_running: bool = field(default=False, init=False)


class HostLimits:
    """Keeps the limits of `FetchOptions` for each host, by origin ("host:port"). Thread-safe.

    These limits hold for each request, so for the targets of redirects too. `FetchPool` has a limit
    of another kind: how many of its threads work on URLs of one host, their waits included.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @contextmanager
    def request_slot(self, origin: str) -> Iterator[None]:
        """Wait until the host may be sent a request, and hold one of its slots meanwhile.

        The wait does not count: the deadline of the image is extended by it. Raises
        `HostUnavailableError` if the host failed too often.
        """
        began = time.monotonic()
        with self._lock:
            host = self._host(origin)
            self._check_available(origin, host)
            host.waiting += 1
            try:
                self._wait_for_slot(origin, host)
            finally:
                host.waiting -= 1
            host.running += 1
            if self._options.rate_per_host is not None:
                host.next_start = time.monotonic() + 1 / self._options.rate_per_host
        current_deadline.extend(time.monotonic() - began)
        try:
            yield
        finally:
            with self._lock:
                host.running -= 1
                host.slot_free.notify()

    def delay_next_request(self, origin: str, seconds: float) -> None:
        """Start no request at this host for `seconds`, as the host asked in Retry-After."""
        with self._lock:
            host = self._host(origin)
            host.next_start = max(host.next_start, time.monotonic() + seconds)

    def record_success(self, origin: str) -> None:
        """Note that the host answered."""
        with self._lock:
            host = self._host(origin)
            host.failures_in_a_row, host.unavailable_until, host.trial_running = 0, 0.0, False
            host.pause = self._options.give_up_for

    def record_failure(self, origin: str) -> None:
        """Note that the host refused, could not be reached, or sent nothing in time."""
        with self._lock:
            host = self._host(origin)
            host.failures_in_a_row += 1
            now = time.monotonic()
            if host.trial_running:
                host.trial_running = False
                host.pause = min(2 * host.pause, _MAX_PAUSE)
                host.unavailable_until = now + host.pause
            elif (
                host.failures_in_a_row >= self._options.give_up_after
                and host.unavailable_until <= now
            ):
                host.unavailable_until = now + host.pause
                host.slot_free.notify_all()  # those who wait for a slot must fail too

    def _host(self, origin: str) -> _Host:
        host = self._hosts.get(origin)
        if host is None:
            host = _Host(threading.Condition(self._lock), self._options.give_up_for)
            self._hosts[origin] = host
            if len(self._hosts) > _MAX_HOSTS:
                oldest = next(iter(self._hosts.values()))
                if not oldest.running and not oldest.waiting:
                    self._hosts.popitem(last=False)
        self._hosts.move_to_end(origin)
        return host

    def _check_available(self, origin: str, host: _Host) -> None:
        """Raise if the host is paused; when its pause is over, make this request the trial."""
        if not host.unavailable_until:
            return
        now = time.monotonic()
        if host.unavailable_until > now:
            self._raise_unavailable(origin, host)
        host.trial_running = True
        host.unavailable_until = now + host.pause

    def _wait_for_slot(self, origin: str, host: _Host) -> None:
        """Wait until a slot is free and the next start is due."""
        while True:
            full = host.running >= self._options.per_host
            seconds_to_start = host.next_start - time.monotonic()
            if not full and seconds_to_start <= 0:
                return
            host.slot_free.wait(None if full else seconds_to_start)
            if host.unavailable_until and not host.trial_running:
                self._raise_unavailable(origin, host)

    def _raise_unavailable(self, origin: str, host: _Host) -> NoReturn:
        seconds = max(1.0, host.unavailable_until - time.monotonic())
        raise HostUnavailableError(
            FailureKind.CONNECT,
            f"{origin} was given up after {host.failures_in_a_row} failures in a row; "
            f"it is tried again in {seconds:.0f} s",
            attempts=0,
        )
