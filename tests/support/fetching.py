"""Helpers of tests that fetch."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeAlias

import pytest

from vecsim.errors import ImageError
from vecsim.fetch import UrlFetcher

MakeFetcher: TypeAlias = Callable[..., UrlFetcher]
"""The fixture `fetcher`: makes a fetcher from the options given by keyword."""


def fetch_error(fetcher: UrlFetcher, url: str) -> ImageError:
    """Fetch `url`, which must fail, and return the error."""
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(url)
    return caught.value


def closed_port() -> int:
    """Return a port of this machine that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
