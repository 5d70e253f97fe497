"""Options of the server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from vecsim.errors import UsageError


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Address, access rules and limits of the server.

    `token`: access token that clients must send, or None for open access.
    `hosts`: host names accepted in requests besides those of this machine.
    `allow_writes`: whether clients may add and remove images.
    `allow_private`: whether URLs may resolve to private addresses.
    `max_bytes`: size limit of one picture, uploaded or downloaded.
    `max_requests`: API requests in progress; further ones are answered with status 503.
    Time limits are in seconds: `header_seconds` for receiving a request's header section,
    `body_seconds` for its body, `fetch_seconds` for downloading the picture behind a URL,
    `stop_seconds` for finishing open requests at shutdown.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    token: str | None = None
    hosts: tuple[str, ...] = ()
    allow_writes: bool = False
    allow_private: bool = False
    max_bytes: int = 20_000_000
    max_requests: int = 64
    max_connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    fetch_seconds: float = 20.0
    stop_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Raises `UsageError` for a token that cannot be sent in a header."""
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("the token may contain only printable ASCII characters.")
        if self.token is not None and (not self.token or " " in self.token):
            raise UsageError("the token must not be empty or contain spaces.")

    @property
    def is_loopback(self) -> bool:
        """Whether the server can be reached from this machine only."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def accepted_hosts(self) -> frozenset[str] | None:
        """The accepted names in the Host header, lower case; None for any.

        The list is closed against DNS rebinding: a web page of another site can point a host name
        of its own at 127.0.0.1 and would then be allowed to read this server's answers.
        """
        names = {name.lower() for name in self.hosts}
        if self.is_loopback:
            names |= {"localhost", "127.0.0.1", "::1", self.host.lower()}
        elif not names:
            return None
        return frozenset(names | {self.host.lower()})
