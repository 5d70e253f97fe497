"""Addresses of images: what a URL or path refers to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from vecsim import paths
from vecsim.errors import FailureKind, ImageError
from vecsim.urls import split_credentials, with_credentials

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NOT_FETCHED = ("data", "javascript", "mailto", "blob", "about")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an image is: a local file, or an http(s) URL of some host.

    `url`: as it was given, without surrounding whitespace and without `credentials`. `path`: of a
    file, else None. `origin`: "host:port" of a URL, by which limits and failures are counted; empty
    for a file.
    """

    url: str
    path: Path | None
    origin: str
    credentials: str = field(default="", repr=False)

    @property
    def full_url(self) -> str:
        """The URL with its credentials."""
        return with_credentials(self.url, self.credentials)


def parse_address(url: str) -> Address:
    """Tell what `url` refers to: an http(s) URL, a `file:` URL or a path.

    Raises `ImageError` "bad-url" for everything else, and for URLs without a host.
    """
    url, credentials = split_credentials(url.strip())
    if not url or "\0" in url:
        raise ImageError(FailureKind.BAD_URL, "the address is empty or holds a zero byte")
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme in ("http", "https"):
        return Address(url, None, _origin(url), credentials)
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
    path = os.fsdecode(unquote_to_bytes(parts.path).replace(b"\0", b""))
    return Path(paths.path_in_file_url(path))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for an impossible port, which urlsplit does not
    except ValueError as error:
        raise ImageError(FailureKind.BAD_URL, f"the address cannot be read ({error})") from error
    return parts
