"""Limits of connections, and how many each client has."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.types import Scope

from vecsim.web.sharing import Allowances, KnownClients

if TYPE_CHECKING:
    from vecsim.web.connections import LimitedProtocol

_FEW = 8
"""Connections that any client has: fewer do not make it a smaller one."""

_BURST, _BURST_SECONDS = 12, 4.0
"""New connections of a client in some seconds that count as few: a browser opens six at once for
the parts of a page, and shows a broken page if one is refused. A program that opens them all the
time gets three a second while the server is overloaded."""

_NEW_BURST, _NEW_SECONDS = 50, 1.0
"""New connections in some seconds of all clients that are not known, while the server is
overloaded: refusing one costs less than a tenth of answering its request."""

_MOST_KNOWN, _KNOWN_SECONDS = 10_000, 600.0


@lru_cache(_MOST_KNOWN)
def client_key(host: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def client_of(scope: Scope) -> str:
    """Return the client of a request, as in `client_key`."""
    return client_key(scope["client"][0] if scope["client"] else "")


@dataclass(slots=True)
class ConnectionLimits:
    """Limits of connections, and how many each client has. Times are in seconds.

    `total`, `per_client`: connections at a time. `proxies`: networks whose connections are those of
    many clients, so that only `total` limits them. `admits`: whether a client may open one more; it
    is told whether the client opened few of late. `known`: clients that took an answer and went
    on in order; of the others, all together may open few while the server is overloaded.
    `refused`: how many were refused.
    `no_victims`: for clients of which weight no connection was found to close, until when.
    """

    header_seconds: float
    write_seconds: float
    total: int
    per_client: int
    proxies: tuple[str, ...] = ()
    admits: Callable[[str, bool], bool] = lambda key, few: True
    counts: Counter[str] = field(default_factory=Counter)
    victims: list[LimitedProtocol] = field(default_factory=list, init=False)
    no_victims: tuple[int, float] = field(default=(0, 0.0), init=False)
    refused: int = field(default=0, init=False)
    known: KnownClients = field(init=False)
    _opened: Allowances = field(init=False)
    _opened_by_new: Allowances = field(init=False)

    def __post_init__(self) -> None:
        """Make the counts of connections that were opened, and the list of known clients."""
        self.known = KnownClients(_MOST_KNOWN, _KNOWN_SECONDS)
        self._opened = Allowances(_BURST, _BURST_SECONDS)
        self._opened_by_new = Allowances(_NEW_BURST, _NEW_SECONDS)

    def key(self, host: str) -> str:
        """Return what the connections of `host` are counted by; "" for a proxy."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return client_key(host)
        proxied = any(address in ipaddress.ip_network(proxy) for proxy in self.proxies)
        return "" if proxied else client_key(host)

    def count(self, key: str) -> int:
        """How many connections a client has; 1 for a proxy."""
        return self.counts[key] if key else 1

    def may_begin(self, key: str) -> bool:
        """Whether a client, which has just connected, is not to be refused for that."""
        few = self._opened.take(key) and (key in self.known or self._opened_by_new.take(""))
        return self.count(key) <= self.per_client and (not key or self.admits(key, few))

    def weight(self, key: str) -> int:
        """How much a client burdens the server: its connections, `_FEW` at least."""
        return max(_FEW, self.count(key))
