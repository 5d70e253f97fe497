"""Host names to addresses: with a time limit, remembered for a minute, optionally public only."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.clock import clock
from vecsim.fetch.trouble import PassingError

Address = tuple[int, tuple[Any, ...]]
"""A socket family and the address in its form: numeric address, port, …"""

_REMEMBER = 60.0
"""Seconds. As long as many servers ask for; a name that does not exist is asked for once a minute
and not a million times."""

_MOST_NAMES = 10_000
_PATIENCE = 15.0


class Resolver:
    """`getaddrinfo` behind a cache. Thread-safe; threads that ask for the same name share it."""

    def __init__(self, allowed: Callable[[str], bool] | None = None) -> None:
        """`allowed`: which numeric addresses may be connected to; None for all."""
        self._allowed = allowed
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Future[list[Address]]]] = OrderedDict()

    def addresses(self, host: str, port: int) -> list[Address]:
        """Where to connect to, at least one.

        Raises `ImageError` "dns", "timeout", or "forbidden-address" if any address of the name is
        not allowed: a name that is half public is a trick.
        """
        try:
            found = self._lookup(host).result(timeout=clock.patience(_PATIENCE))
        except TimeoutError as error:
            raise PassingError(FailureKind.TIMEOUT, f"looking up {host} took too long") from error
        except (OSError, UnicodeError) as error:
            self._raise(host, error)
        if self._allowed is not None:
            for _family, address in found:
                if not self._allowed(str(address[0])):
                    raise ImageError(
                        FailureKind.FORBIDDEN_ADDRESS,
                        f"{host} is {address[0]}, not a public address",
                    )
        return [(family, (address[0], port, *address[2:])) for family, address in found]

    def _raise(self, host: str, error: Exception) -> NoReturn:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            with self._lock:
                self._known.pop(host, None)
            raise PassingError(
                FailureKind.DNS, f"{host} could not be looked up at the moment"
            ) from error
        raise ImageError(FailureKind.DNS, f"there is no host {host}") from error

    def _lookup(self, host: str) -> Future[list[Address]]:
        now = time.monotonic()
        with self._lock:
            known = self._known.get(host)
            if known is not None and known[0] > now:
                return known[1]
            future: Future[list[Address]] = Future()
            self._known[host] = (now + _REMEMBER, future)
            self._known.move_to_end(host)
            if len(self._known) > _MOST_NAMES:
                self._known.popitem(last=False)
        # A thread of its own, because getaddrinfo can hang and nothing can stop it.
        threading.Thread(target=_look_up, args=(host, future), daemon=True).start()
        return future


def _look_up(host: str, future: Future[list[Address]]) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if not entries:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        future.set_result([(int(entry[0]), entry[4]) for entry in entries])
    except BaseException as error:
        future.set_exception(error)
