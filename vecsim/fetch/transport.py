"""requests' adapter with our own way to connect: resolved once, checked, pinned, on the clock."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import create_urllib3_context

from vecsim.errors import FailureKind, UsageError
from vecsim.fetch.clock import DeadlineError, DeadlineSocket, DeadlineTlsSocket, clock
from vecsim.fetch.resolver import Resolver
from vecsim.fetch.trouble import PassingError

_POOLED_HOSTS = 64
"""Hosts whose connections are kept open; times `per_host` it must stay below the usual limit of
1024 open files."""


class Transport(HTTPAdapter):
    """An adapter that connects only to what its resolver allows, by the clock of the thread."""

    def __init__(self, resolver: Resolver, connect_timeout: float, per_host: int) -> None:
        self._open: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._lock = threading.Lock()
        named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._tls = _trusting_context(named or DEFAULT_CA_BUNDLE_PATH)
        self._pools = _pool_classes(self._connect)
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        super().__init__(pool_connections=_POOLED_HOSTS, pool_maxsize=per_host)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*arguments, ssl_context=self._tls, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make the pools of connections through `proxy`."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context, which holds the certificates.

        requests would have each new connection read the bundle again.
        """

    def close(self) -> None:
        """Close all connections; a thread that waits on one gets an error at once."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _connect(self, connection: HTTPConnection) -> socket.socket:
        with self._lock:
            self._open.add(connection)
        # The name with its final dot, if it has one, which `host` lacks; see urllib3.
        host: str = connection._dns_host
        return connect(self._resolver, host, connection.port, self._connect_timeout)


def connect(resolver: Resolver, host: str, port: int, timeout: float) -> DeadlineSocket:
    """A connection to `host`, to exactly one of the addresses that `resolver` has checked.

    Raises `ImageError` "dns", "connect", "timeout" or "forbidden-address".
    """
    last: OSError | None = None
    for family, address in resolver.addresses(host, port):
        connection = DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(clock.patience(timeout))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            last = error
            if isinstance(error, DeadlineError):
                break
    if isinstance(last, TimeoutError):
        raise PassingError(
            FailureKind.TIMEOUT, f"{host} did not take the connection in time"
        ) from last
    reason = last.strerror if last is not None and last.strerror else str(last)
    raise PassingError(
        FailureKind.CONNECT, f"no connection to {host} port {port}: {reason}"
    ) from last


@cache
def _trusting_context(bundle: str) -> ssl.SSLContext:
    """TLS verified against `bundle`: requests' own, or the one the user names.

    One for all connections of the process: to read the bundle takes 20 ms.
    """
    context = create_urllib3_context()
    context.sslsocket_class = DeadlineTlsSocket
    try:
        if os.path.isdir(bundle):
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(bundle)
    except OSError as error:
        raise UsageError(f"cannot read the certificates in {bundle}: {error}") from error
    return context


def _pool_classes(
    connect: Callable[[HTTPConnection], socket.socket],
) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools, whose connections come from `connect`."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
