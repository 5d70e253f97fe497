"""Options of the server."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from vecsim.errors import UsageError
from vecsim.hints import Action, Hint

OWN_PATHS = frozenset({"api", "i", "static", "login", "healthz", "readyz", "metrics"})
"""First segments of the server's own paths."""

_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")

MIN_TOKEN = 16
"""Characters of an access token at least: fewer can be guessed."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Address, access rules and limits of the server.

    `token`: access token that clients must send, or None for open access.
    `hosts`: host names accepted in requests besides those of this machine.
    `allow_writes`: whether clients may add and remove images, and store decisions.
    `allow_files`: whether they may also move and link the files of an index; implies
    `allow_writes`, because files that leave their place leave the index.
    `allow_private`: whether URLs may resolve to private addresses.
    `max_bytes`: size limit of one picture, uploaded or downloaded.
    `max_requests`, `max_connections`: API requests in progress, and connections, at a time; further
    ones are answered with status 503. `max_client_requests`, `max_client_connections`: the same of
    one client, an IPv4 address or an IPv6 network of 64 bits. A quarter of the requests may be
    searches by URL.
    `origins`: pages of which other sites may use the API, such as "https://shop.example" (CORS).
    `root_path`: the prefix under which a proxy serves the server, such as "/pictures", or "".
    `trusted_proxies`: addresses or networks of proxies in front of the server, whose header
    X-Forwarded-For tells the client.
    Time limits are in seconds: `header_seconds` for receiving a request's header section,
    `body_seconds` for its body, `write_seconds` for each wait until a client has taken what was
    sent to it, `fetch_seconds` for downloading the picture behind a URL, `decode_seconds` for
    decoding it, `stop_seconds` for finishing open requests at shutdown, `wrong_token_seconds`
    before a wrong token is answered.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    token: str | None = None
    hosts: tuple[str, ...] = ()
    allow_writes: bool = False
    allow_files: bool = False
    allow_private: bool = False
    max_bytes: int = 20_000_000
    max_requests: int = 64
    max_client_requests: int = 16
    max_connections: int = 512
    max_client_connections: int = 64
    trusted_proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    root_path: str = ""
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    write_seconds: float = 10.0
    fetch_seconds: float = 20.0
    decode_seconds: float = 5.0
    stop_seconds: float = 30.0
    wrong_token_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Raise `UsageError` for a bad token, proxy, origin or prefix, and for unlimited access."""
        object.__setattr__(self, "root_path", _prefix(self.root_path))
        object.__setattr__(self, "origins", tuple(map(_origin, self.origins)))
        if self.allow_files:
            self._check_only_this_machine()
            object.__setattr__(self, "allow_writes", True)
        if self.token is not None:
            _check_token(self.token)
        elif not self.is_loopback and not self.hosts:
            raise UsageError(
                f"{self.host} can be reached from other machines. Require an access token "
                "(--token), or name the host names by which clients may reach the server "
                "(--allow-host), so that web pages of others cannot."
            )
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise UsageError(
                    f"{proxy!r} is not the address of a proxy, such as 127.0.0.1 or 10.0.0.0/8."
                ) from error

    def _check_only_this_machine(self) -> None:
        """Raise `UsageError` if other machines can reach the server."""
        reached = [self.host] * (not self.is_loopback)
        reached += [*self.hosts, *self.trusted_proxies, *self.origins]
        if reached:
            raise UsageError(
                f"files are acted on only for this machine, but this server can be reached from "
                f"others ({', '.join(reached)}).",
                hint=Hint(Action.SERVE_THIS_MACHINE),
            )

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


def _prefix(path: str) -> str:
    """Return a prefix of paths without the slash at its end; raises `UsageError`."""
    prefix = path.rstrip("/")
    if not prefix:
        return ""
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(
            f"{path!r} is no path for a proxy to serve the server under, such as /pictures: use "
            "letters, digits, and . _ ~ - between slashes."
        )
    if prefix.split("/")[1] in OWN_PATHS:
        raise UsageError(f"{path!r} begins like a path of the server itself. Choose another one.")
    return prefix


def _origin(origin: str) -> str:
    """Return an origin as browsers write it; raises `UsageError`."""
    found = origin.rstrip("/").lower()
    if not _ORIGIN.fullmatch(found):
        raise UsageError(
            f"{origin!r} is not the origin of a site, such as https://shop.example or "
            "http://localhost:3000."
        )
    return found


def _check_token(token: str) -> None:
    """Raise `UsageError` for a token that is weak or cannot be sent in a header."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError("the token may contain only printable ASCII characters, no spaces.")
    if len(token) < MIN_TOKEN:
        raise UsageError(
            f"the token has {len(token)} characters, at least {MIN_TOKEN} are needed. "
            "Make one with: openssl rand -hex 16"
        )
