"""From a URL or path to bytes: polite to hosts, wary of what they send, done by a deadline."""

from vecsim.fetch.address import is_public
from vecsim.fetch.fetcher import UrlFetcher
from vecsim.fetch.options import FetchOptions
from vecsim.fetch.pool import FetchPool

__all__ = ["FetchOptions", "FetchPool", "UrlFetcher", "is_public"]
