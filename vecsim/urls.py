"""URLs and the credentials in them, which are used to fetch and never stored or shown.

In `https://name:password@shop.example/1.jpg` the part before `@` is a secret. Records keep a URL
without it; the code that fetches gets it separately.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_WITH_CREDENTIALS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:/+([^/?#]*)@")


def split_credentials(url: str) -> tuple[str, str]:
    """Return `url` without its credentials, and the credentials as they were written.

    ("http://a:b@host/x") is ("http://host/x", "a:b"); what has none is returned with "". The
    authority ends at the first `/`, `?` or `#`, as for `urllib.parse`, which connects.
    """
    found = _WITH_CREDENTIALS.match(url) if "@" in url else None
    if found is None:
        return url, ""
    start, end = found.span(1)
    return url[:start] + url[end + 1 :], found[1]


def with_credentials(url: str, credentials: str) -> str:
    """Return `url` with the credentials that `split_credentials` took out of it."""
    if not credentials:
        return url
    scheme, slashes, rest = url.partition("//")
    return f"{scheme}{slashes}{credentials}@{rest}"


def without_credentials(text: str) -> str:
    """Return a URL without its credentials; other texts are returned as they are."""
    return split_credentials(text)[0]


def fields_without_credentials(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the carried fields of a row, of which those that are URLs have no credentials."""
    return {name: without_credentials(value) for name, value in fields.items()}
