"""From a URL or path to its bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.address import is_public, local_path
from vecsim.fetch.local import read_file
from vecsim.fetch.options import FetchOptions
from vecsim.records import Fetched

if TYPE_CHECKING:
    from vecsim.fetch.web import WebFetcher


class UrlFetcher:
    """Fetches http(s) URLs, `file:` URLs and paths. Safe to call from many threads.

    Connections are shared by all threads. `allowed` (with `public_only`): which numeric addresses
    may be connected to, by default the public internet. Raises `UsageError` if `public_only` cannot
    be kept. What fetches from the web is imported with the first web address.
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
            self._reach_web()

    def fetch(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """The bytes behind `url`, which are not looked at; raises `ImageError`.

        With `etag` or `last_modified` of an earlier fetch the answer may be http_status 304 and no
        bytes: nothing has changed.
        """
        url = url.strip()
        path = local_path(url)
        if path is None:
            return self._reach_web().fetch(url, etag, last_modified)
        if self.options.public_only:
            raise ImageError(FailureKind.BAD_URL, "only http(s) URLs are fetched here, not files")
        return read_file(path, url, self.options.max_bytes)

    def close(self) -> None:
        """Close the connections; fetches that are under way fail soon."""
        with self._lock:
            self._closed = True
            if self._web is not None:
                self._web.close()

    def _reach_web(self) -> WebFetcher:
        with self._lock:
            if self._web is None:
                from vecsim.fetch.web import WebFetcher

                self._web = WebFetcher(self.options, self._allowed)
                if self._closed:
                    self._web.close()
            return self._web
