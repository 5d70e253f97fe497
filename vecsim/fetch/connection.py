"""Connections: host names resolved once, addresses checked and pinned, waits bounded by deadlines.

A connection goes to exactly the address that was checked. `Transport` makes requests use such
connections.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, NoReturn, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection
from urllib3.util import create_urllib3_context

from vecsim.errors import FailureKind, ImageError, UsageError
from vecsim.fetch.deadline import (
    DeadlineError,
    DeadlineSocket,
    DeadlineTlsSocket,
    current_deadline,
)
from vecsim.fetch.errors import TransientError
from vecsim.fetch.http_parts import current_request, use_connections

SocketAddress: TypeAlias = tuple[int, tuple[Any, ...]]
"""A socket family, and an address in its form: numeric address, port, …"""

_CACHE_SECONDS = 60.0
"""Many servers ask for this time to live. A name that does not exist is looked up once a minute,
not a million times."""

_MAX_CACHED_NAMES = 10_000
_LOOKUP_TIMEOUT = 15.0

_POOLED_HOSTS = 64
"""Hosts whose connections are kept open. Times `per_host`, it must stay below the usual limit of
1024 open files."""


class Resolver:
    """`getaddrinfo` with a time limit and a cache. Thread-safe; threads share lookups of a name."""

    def __init__(self, allowed: Callable[[str], bool] | None = None) -> None:
        """`allowed`: which numeric addresses may be connected to; None for all."""
        self._allowed = allowed
        self._lock = threading.Lock()
        self._lookups: OrderedDict[str, tuple[float, Future[list[SocketAddress]]]] = OrderedDict()

    def addresses(self, host: str, port: int) -> list[SocketAddress]:
        """Return the addresses of `host`, at least one.

        Raises `ImageError` "dns", "timeout", or "forbidden-address" if any address of the name is
        not allowed: a name with both kinds of addresses is an attempt to pass the check.
        """
        try:
            found = self._lookup(host).result(current_deadline.limit_timeout(_LOOKUP_TIMEOUT))
        except TimeoutError as error:
            raise TransientError(FailureKind.TIMEOUT, f"looking up {host} took too long") from error
        except (OSError, UnicodeError) as error:
            self._raise_lookup_error(host, error)
        if self._allowed is not None:
            for _family, address in found:
                if not self._allowed(str(address[0])):
                    raise ImageError(
                        FailureKind.FORBIDDEN_ADDRESS,
                        f"{host} is {address[0]}, not a public address",
                    )
        return [(family, (address[0], port, *address[2:])) for family, address in found]

    def _raise_lookup_error(self, host: str, error: Exception) -> NoReturn:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            with self._lock:
                self._lookups.pop(host, None)
            raise TransientError(
                FailureKind.DNS, f"{host} could not be looked up at the moment"
            ) from error
        raise ImageError(FailureKind.DNS, f"there is no host {host}") from error

    def _lookup(self, host: str) -> Future[list[SocketAddress]]:
        """Return the lookup of `host`: a recent one, or one that starts now."""
        now = time.monotonic()
        with self._lock:
            recent = self._lookups.get(host)
            if recent is not None and recent[0] > now:
                return recent[1]
            future: Future[list[SocketAddress]] = Future()
            self._lookups[host] = (now + _CACHE_SECONDS, future)
            self._lookups.move_to_end(host)
            if len(self._lookups) > _MAX_CACHED_NAMES:
                self._lookups.popitem(last=False)
        # A thread of its own, because getaddrinfo can hang and cannot be interrupted.
        threading.Thread(target=_resolve, args=(host, future), daemon=True).start()
        return future


def _resolve(host: str, result: Future[list[SocketAddress]]) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if not entries:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        result.set_result([(int(entry[0]), entry[4]) for entry in entries])
    except BaseException as error:
        result.set_exception(error)


def connect(resolver: Resolver, host: str, port: int, timeout: float) -> DeadlineSocket:
    """Connect to `host`, at the first of its resolved addresses that accepts.

    Raises `ImageError` "dns", "connect", "timeout" or "forbidden-address".
    """
    last: OSError | None = None
    for family, address in resolver.addresses(host, port):
        connection = DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(current_deadline.limit_timeout(timeout))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            last = error
            if isinstance(error, DeadlineError):
                break
    if isinstance(last, TimeoutError):
        raise TransientError(
            FailureKind.TIMEOUT, f"{host} did not accept the connection in time"
        ) from last
    reason = last.strerror if last is not None and last.strerror else str(last)
    raise TransientError(
        FailureKind.CONNECT, f"no connection to {host} port {port}: {reason}"
    ) from last


class Transport(HTTPAdapter):
    """Makes each `ExactRequest` connect by `connect`, and send its target as it was written."""

    def __init__(self, resolver: Resolver, connect_timeout: float, per_host: int) -> None:
        """`per_host`: connections to one host that are kept open."""
        self._open: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._lock = threading.Lock()
        chosen = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._tls_context = _tls_context(chosen or DEFAULT_CA_BUNDLE_PATH)
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        super().__init__(pool_connections=_POOLED_HOSTS, pool_maxsize=per_host)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*arguments, ssl_context=self._tls_context, **options)
        use_connections(self.poolmanager, self._connect)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make the pools of connections through `proxy`."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls_context, **options)
        use_connections(manager, self._connect)
        return manager

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return the target of a request as requests has it, and keep it as it was written."""
        target: str = super().request_url(request, proxies)
        is_whole_url = not target.startswith("/")  # as a proxy wants it
        current_request.target = (request.base if is_whole_url else "") + request.target
        current_request.on_kept_connection = False
        return target

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the response, without looking for cookies where the server sends none."""
        if "Set-Cookie" in resp.headers:
            return super().build_response(req, resp)
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.reason = resp.reason
        response.raw, response.request, response.url = resp, req, req.url or ""
        return response

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS context holds the certificates.

        requests would read the bundle again for each new connection.
        """

    def close(self) -> None:
        """Close all connections; a thread that waits on one gets an error at once."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _connect(self, connection: HTTPConnection, host: str) -> socket.socket:
        with self._lock:
            self._open.add(connection)
        return connect(self._resolver, host, connection.port, self._connect_timeout)


@cache
def _tls_context(bundle: str) -> ssl.SSLContext:
    """Make a TLS context that trusts the certificates in `bundle`, a file or a folder.

    One for all connections of the process: reading the bundle takes 20 ms.
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
