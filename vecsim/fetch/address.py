"""Addresses of images: what a URL or path refers to, and which IP addresses are public."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from vecsim.errors import FailureKind, ImageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NOT_FETCHED = ("data", "javascript", "mailto", "blob", "about")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOL_ASSIGNMENTS = ipaddress.ip_network("192.0.0.0/24")
"""Assigned to IETF protocols; Python 3.11 regards only the first eight addresses as special."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an image is: a local file, or an http(s) URL of some host.

    `url`: as it was given, without surrounding whitespace. `path`: of a file, else None.
    `origin`: "host:port" of a URL, by which limits and failures are counted; empty for a file.
    """

    url: str
    path: Path | None
    origin: str


def parse_address(url: str) -> Address:
    """Tell what `url` refers to: an http(s) URL, a `file:` URL or a path.

    Raises `ImageError` "bad-url" for everything else, and for URLs without a host.
    """
    url = url.strip()
    if not url or "\0" in url:
        raise ImageError(FailureKind.BAD_URL, "the address is empty or holds a zero byte")
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme in ("http", "https"):
        return Address(url, None, _origin(url))
    if scheme == "file":
        return Address(url, _path_of_file_url(url), "")
    if "://" in url or scheme in _NOT_FETCHED:
        raise ImageError(FailureKind.BAD_URL, f"{scheme or 'such'}: addresses are not fetched")
    return Address(url, Path(url), "")


def _origin(url: str) -> str:
    parts = _split(url)
    if not parts.hostname:
        raise ImageError(FailureKind.BAD_URL, "the address has no host")
    default_port = 443 if parts.scheme.lower() == "https" else 80
    return f"{parts.hostname}:{parts.port or default_port}"


def _path_of_file_url(url: str) -> Path:
    parts = _split(url)
    if parts.netloc not in ("", "localhost"):
        raise ImageError(FailureKind.BAD_URL, f"a file: URL of another host, {parts.netloc}")
    # Decoded as bytes, because the name of a file need not be valid text.
    return Path(os.fsdecode(unquote_to_bytes(parts.path).replace(b"\0", b"")))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for an impossible port, which urlsplit does not
    except ValueError as error:
        raise ImageError(FailureKind.BAD_URL, f"the address cannot be read ({error})") from error
    return parts


def is_public(address: str) -> bool:
    """Tell whether a numeric IP address belongs to the public internet.

    Not public: private, loopback, link-local, multicast, reserved, unspecified and shared ranges,
    and IPv6 addresses that embed such an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        embedded = [ip.sixtofour, *(ip.teredo or ())]
        if ip.is_site_local or any(each and not is_public(str(each)) for each in embedded):
            return False
    if ip in _PROTOCOL_ASSIGNMENTS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
