"""What vecsim needs of urllib3 and http.client beyond their documented interfaces: all of it.

`tests/fetch/test_http_parts.py` fails when a new version moves one of these:

- `urllib3.connection.HTTPConnection._new_conn`: makes the socket of a connection. Ours connects to
  an address that was checked, and its reads end at the deadline of the image.
- `HTTPConnection._dns_host`: the host with the final dot that a name may have, which `host` lacks.
- `HTTPConnection.putrequest`: called with the target of a request, whose escapes urllib3 has
  rewritten by then (`%2f` to `%2F`, a single `%` to `%25`). Ours sends it as it was written.
- `HTTPConnection.getresponse`: called once for each request.
- `PoolManager.pool_classes_by_scheme`: the classes of its pools, and their `ConnectionCls`.
- `http.client.HTTPConnection.response_class`, and of the response `begin`, `headers` and `msg`:
  `begin` reads a status line and headers, unless it has `headers`. It skips only status 100.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.poolmanager import PoolManager

_SWITCHING_PROTOCOLS = 101
"""The only status below 200 after which no other one follows."""

_MAX_INTERIM_RESPONSES = 20


class CurrentRequest(threading.local):
    """The request that the current thread sends; each thread has its own.

    `target`: what its request line shall hold. `on_kept_connection`: whether it was sent on a
    connection that has carried an earlier response, so that the server may have closed it.
    """

    target = ""
    on_kept_connection = False


current_request = CurrentRequest()


class FinalResponse(http.client.HTTPResponse):
    """Skips interim responses (100 Continue, 103 Early Hints), which announce the final one."""

    def begin(self) -> None:
        """Read the status line and headers of the final response."""
        super().begin()
        skipped = 0
        while self.status < 200 and self.status != _SWITCHING_PROTOCOLS:
            skipped += 1
            if skipped > _MAX_INTERIM_RESPONSES:
                raise http.client.HTTPException("too many interim responses")
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


def use_connections(
    manager: PoolManager, connect: Callable[[HTTPConnection, str], socket.socket]
) -> None:
    """Make `manager` use connections whose sockets `connect` makes.

    `connect` is called with a connection and the name of its host.
    """

    class Sending:
        """What plain and TLS connections have in common."""

        response_class: Any = FinalResponse
        _responses = 0

        def _new_conn(self: Any) -> socket.socket:
            self._responses = 0
            return connect(self, self._dns_host)

        def putrequest(self: Any, method: str, url: str, *rest: Any, **options: Any) -> None:
            kept = self.sock is not None and self._responses > 0
            current_request.on_kept_connection = kept
            super().putrequest(method, current_request.target, *rest, **options)  # type: ignore[misc]

        def getresponse(self: Any) -> Any:
            response = super().getresponse()  # type: ignore[misc]
            self._responses += 1
            return response

    class Plain(Sending, HTTPConnection):
        pass

    class Tls(Sending, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
