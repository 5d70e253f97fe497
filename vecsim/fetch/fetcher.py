"""`UrlFetcher`: from a URL or path to its bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.address import Address, is_public, parse_address
from vecsim.fetch.content import read_file
from vecsim.fetch.options import FetchOptions
from vecsim.records import Fetched

if TYPE_CHECKING:
    from vecsim.fetch.web import WebFetcher


class UrlFetcher:
    """Fetches http(s) URLs, `file:` URLs and paths. Thread-safe; threads share its connections.

    `allowed` (with `public_only`): which numeric addresses may be connected to, by default those of
    the public internet. Raises `UsageError` if `public_only` cannot be guaranteed. The HTTP library
    is imported with the first http(s) URL.
    """

    def __init__(
        self,
        options: FetchOptions | None = None,
        *,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self.options = options or FetchOptions()
        self._allowed = allowed
        self._web: WebFetcher | None = None
        self._closed = False
        self._lock = threading.Lock()
        if self.options.public_only:
            self._web_fetcher()

    def fetch(
        self, url: str | Address, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Return the bytes behind `url`, whatever they are; raises `ImageError`.

        With the `etag` or `last_modified` of an earlier fetch, the result may be http_status 304
        and no bytes: nothing has changed since.
        """
        address = url if isinstance(url, Address) else parse_address(url)
        if address.path is None:
            return self._web_fetcher().fetch(address, etag, last_modified)
        if self.options.public_only:
            raise ImageError(FailureKind.BAD_URL, "only http(s) URLs are fetched here, not files")
        return read_file(address.path, address.url, self.options.max_bytes)

    def close(self) -> None:
        """Close the connections; fetches in progress fail soon."""
        with self._lock:
            self._closed = True
            if self._web is not None:
                self._web.close()

    def _web_fetcher(self) -> WebFetcher:
        with self._lock:
            if self._web is None:
                from vecsim.fetch.web import WebFetcher

                self._web = WebFetcher(self.options, self._allowed)
                if self._closed:
                    self._web.close()
            return self._web
