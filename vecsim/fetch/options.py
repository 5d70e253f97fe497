"""Options of fetching: time limits, retries, politeness limits, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from vecsim.errors import UsageError
from vecsim.hints import Action, Hint

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
"""As in RFC 9110: no line ends, nothing beyond Latin-1, no space at either end."""

_HOST_NAME = re.compile(r"[^\s/@?#\\]+")

_SECRET_NAME = re.compile(
    r"auth|cookie|token|secret|passw|credential|session|signature|(^|-)(api)?key|jwt", re.IGNORECASE
)
"""Names of headers that usually carry secrets: X-Api-Key, Authorization, X-Auth-Token, …"""


@cache
def default_user_agent() -> str:
    """Return "vecsim/VERSION", with the address of the project where the package states one."""
    from importlib import metadata

    try:
        about = metadata.metadata("vecsim")
    except metadata.PackageNotFoundError:
        return "vecsim"
    pages = [entry.partition(",")[2].strip() for entry in about.get_all("Project-URL") or []]
    page = f" (+{pages[0]})" if pages else ""
    return f"vecsim/{about['Version']}{page}"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Options of a `UrlFetcher`. Times are seconds.

    `connect_timeout`, `read_timeout`: of one connection attempt, and of one wait for data.
    `deadline`: of one image, with its redirects, retries and the waits between them; waiting for a
    free slot of the host does not count.
    `max_bytes`: of a body, also after its gzip encoding is undone.
    `retries`: after errors that may be temporary.
    `backoff`: wait before the first retry; it doubles each time, and half of it is random.
    `per_host`, `rate_per_host`: requests to one host at a time, and started per second (or None).
    `give_up_after`: failures of a host in a row after which no request is sent to it for
    `give_up_for`, then for twice as long each time, up to ten minutes.
    `headers`: sent to every host, so no secrets. `host_headers`: by host name ("shop.example", or
    "shop.example:8443" for one port), sent to that host only. No redirect takes any of them to
    another origin. `user_agent`: by default `default_user_agent()`.
    `public_only`: refuse whatever is not an http(s) URL of a public address.
    `workers`: threads of a `FetchPool`.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    deadline: float = 60.0
    max_bytes: int = 50_000_000
    max_redirects: int = 5
    retries: int = 2
    backoff: float = 0.5
    per_host: int = 8
    rate_per_host: float | None = None
    give_up_after: int = 20
    give_up_for: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    host_headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    user_agent: str | None = None
    public_only: bool = False
    workers: int = 16

    def __post_init__(self) -> None:
        """Raise `UsageError` for values out of range."""
        for name in ("connect_timeout", "read_timeout", "deadline", "max_bytes", "per_host"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0, not {getattr(self, name)!r}")
        for name in ("max_redirects", "retries", "backoff", "give_up_for"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must not be below 0, but is {getattr(self, name)!r}")
        for name in ("give_up_after", "workers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        _check_headers({**self.headers, "User-Agent": self.user_agent or ""})
        for host, headers in self.host_headers.items():
            if not _HOST_NAME.fullmatch(host):
                raise UsageError(f"{host!r} is not the name of a host, such as shop.example")
            _check_headers(headers)
        for name in self.headers:
            if _SECRET_NAME.search(name):
                raise UsageError(
                    f"the header {name} looks like a secret, and would be sent to every host that "
                    "a list names.",
                    hint=Hint(Action.NAME_HOST_OF_HEADER, name=name),
                )
        if self.rate_per_host is not None and not self.rate_per_host > 0:
            raise UsageError(f"rate_per_host must be above 0, not {self.rate_per_host!r}")

    def headers_for(self, origin: str) -> Mapping[str, str]:
        """Return the headers of `host_headers` that are meant for "host:port"."""
        host = origin.rpartition(":")[0]
        found: dict[str, str] = {}
        for name, headers in self.host_headers.items():
            if name.lower().replace("[", "").replace("]", "") in (host, origin):
                found.update(headers)
        return found

    @property
    def threads_per_host(self) -> int:
        """How many threads may work on URLs of one host: more would only wait for their turn."""
        if self.rate_per_host is None:
            return self.per_host
        return min(self.per_host, max(1, round(self.rate_per_host)))


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raise `UsageError` for what cannot be sent; the value, which may be secret, is not shown."""
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_TEXT.fullmatch(text):
            raise UsageError(f"the name or value of {name!r} cannot be an HTTP header")
