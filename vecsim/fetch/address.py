"""What a reference to an image points at, and whether an internet address is a public one."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from vecsim.errors import FailureKind, ImageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""IETF protocol assignments; Python 3.11 holds only the first eight of them for special."""


def local_path(url: str) -> Path | None:
    """The path that `url` (a path or a `file:` URL) means, or None if it is an http(s) URL.

    Raises `ImageError` "bad-url" for everything else.
    """
    if not url or "\0" in url:
        raise ImageError(FailureKind.BAD_URL, "the address is empty or holds a zero byte")
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme in ("http", "https"):
        return None
    if scheme == "file":
        parts = _split(url)
        if parts.netloc not in ("", "localhost"):
            raise ImageError(FailureKind.BAD_URL, f"a file: URL of another host, {parts.netloc}")
        # By bytes: the name of a file need not be proper text.
        return Path(os.fsdecode(unquote_to_bytes(parts.path).replace(b"\0", b"")))
    if "://" in url or scheme in ("data", "javascript", "mailto", "blob", "about"):
        raise ImageError(FailureKind.BAD_URL, f"{scheme or 'such'}: addresses are not fetched")
    return Path(url)


def origin(url: str) -> str:
    """The "host:port" behind an http(s) URL, for limits and counts.

    Raises `ImageError` "bad-url" if there is none.
    """
    parts = _split(url)
    host = parts.hostname
    if not host:
        raise ImageError(FailureKind.BAD_URL, "the address has no host")
    return f"{host}:{parts.port or (443 if parts.scheme.lower() == 'https' else 80)}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # only now is it looked at
    except ValueError as error:
        raise ImageError(FailureKind.BAD_URL, f"the address cannot be read ({error})") from error
    return parts


def is_public(address: str) -> bool:
    """Whether a numeric IP address belongs to the public internet.

    Not public: private, loopback, link-local, multicast, reserved, unspecified and shared ranges,
    and IPv6 addresses that carry such an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        carried = [ip.sixtofour, *(ip.teredo or ())]
        if ip.is_site_local or any(each and not is_public(str(each)) for each in carried):
            return False
    if ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
