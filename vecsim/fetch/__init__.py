"""Fetching: from a URL or path to bytes, within limits per host and a deadline per image."""

from vecsim.fetch.address import Address, parse_address
from vecsim.fetch.content import facts_of_unchanged, file_has_changed, make_fetched
from vecsim.fetch.fetcher import FetchPool, UrlFetcher
from vecsim.fetch.options import FetchOptions
from vecsim.fetch.public_addresses import is_public

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
