"""Fetching: from a URL or path to bytes, within limits per host and a deadline per image.

Names are imported when they are first used: a search of indexes needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecsim.lazy_names import lazy_names

if TYPE_CHECKING:
    from vecsim.fetch.address import Address, parse_address
    from vecsim.fetch.content import facts_of_unchanged, file_has_changed, make_fetched
    from vecsim.fetch.fetcher import FetchPool, UrlFetcher
    from vecsim.fetch.options import FetchOptions
    from vecsim.fetch.public_addresses import is_public

_HOMES = {
    "Address": "address",
    "FetchOptions": "options",
    "FetchPool": "fetcher",
    "UrlFetcher": "fetcher",
    "facts_of_unchanged": "content",
    "file_has_changed": "content",
    "is_public": "public_addresses",
    "make_fetched": "content",
    "parse_address": "address",
}

__all__ = [
    "Address",
    "FetchOptions",
    "FetchPool",
    "UrlFetcher",
    "facts_of_unchanged",
    "file_has_changed",
    "is_public",
    "make_fetched",
    "parse_address",
]

__getattr__ = lazy_names(__name__, _HOMES)
