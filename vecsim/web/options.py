"""What a server may do, for whom, and how much of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from vecsim.errors import UsageError


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """`token`: what visitors must know, or None. `hosts`: further names it is called by.

    `allow_writes`: whether images may be added and removed. `allow_private`: whether URLs may
    lead to private addresses. `max_bytes`: of a picture, handed over or fetched. `max_waiting`:
    requests at work or in line; further ones are told to come again. Times are seconds:
    `header_seconds` for a request's head, `body_seconds` for its body, `fetch_seconds` for the
    picture behind a URL, `stop_seconds` for what is under way when the server is to end.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    token: str | None = None
    hosts: tuple[str, ...] = ()
    allow_writes: bool = False
    allow_private: bool = False
    max_bytes: int = 20_000_000
    max_waiting: int = 64
    max_connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    fetch_seconds: float = 20.0
    stop_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Raises `UsageError` for values that cannot be meant."""
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("the token may hold only printable ASCII characters.")
        if self.token is not None and (not self.token or " " in self.token):
            raise UsageError("the token must not be empty or hold spaces.")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_hosts(self) -> frozenset[str] | None:
        """The names by which requests may call the server, lower case; None for any.

        A page of a stranger can point a name of its own at 127.0.0.1 and then read what a server
        on this machine answers to that name (DNS rebinding), so these names are a closed list.
        """
        names = {name.lower() for name in self.hosts}
        if self.is_loopback:
            names |= {"localhost", "127.0.0.1", "::1", self.host.lower()}
        elif not names:
            return None
        return frozenset(names | {self.host.lower()})
