"""Searches without the framework are answered as the framework answers them, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.event_loop import run_coroutine
from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES
from vecsim import Index
from vecsim.engines.engine import WorkOptions
from vecsim.engines.serving import PictureRenderer, RequestEmbedder
from vecsim.models import load_embedder
from vecsim.web import api, app, quick_searches
from vecsim.web.index_service import IndexService
from vecsim.web.options import ServeOptions

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

_SEARCHES = (
    "?id=3",
    "?id=3&k=2&threshold=0.5&orientations=none",
    f"?id={quote(HOSTILE_ID)}&k=500",
    "?id=1&id=2",  # the last one counts
    "?id=3&k=2&other=1&k=1",
    "?id=3&k=+2&threshold=-1e0",
    "?id=unknown",
    "?id=3&orientations=turns",  # not stored
    "?id=%ff",
    "",
    "?id=",
    "?id=%00",
    "?id=3&k=0",
    "?id=3&k=501",
    "?id=3&k=two",
    "?id=3&k=",
    "?id=3&threshold=nan",
    "?id=3&threshold=2",
    "?id=3&orientations=upside",
)
_GOOD = _SEARCHES.index("")
"""How many of them have valid parameters."""


@pytest.fixture(scope="module")
def ways(built: Path) -> Iterator[BothWays]:
    """The index of pictures, with its model."""
    with Index.open(built) as index:
        fingerprint = index.snapshot.fingerprint
    work = WorkOptions()
    embedder, renderer = RequestEmbedder(load_embedder("phash"), work), PictureRenderer(work)
    service = IndexService("six", built, fingerprint, embedder, renderer)
    yield BothWays({"six": service})
    for each in (service, embedder, renderer):
        each.close()


def _ask(application: Any, *request: Any) -> Answer:
    """Send one request to an ASGI application."""
    return run_coroutine(_answer(application, *request))


async def _answer(
    application: Any, method: str, path: str, query: str, body: bytes, kind: str
) -> Answer:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.removeprefix("?").encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }
    parts = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(parts, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    kinds = [value for name, value in sent[0]["headers"] if name == b"content-type"]
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], kinds[0].decode(), content


class BothWays:
    """One server's application with and without the quick way, and how often that was taken."""

    def __init__(self, served: dict[str, IndexService]) -> None:
        options = ServeOptions(port=80)
        self.service = served["six"]
        self._quick = app.create_app(served, options).asgi
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app, "QuickSearches", lambda inner, indexes: inner)
            self._slow = app.create_app(served, options).asgi

    def ask_at_once(self, *requests: Any) -> list[Answer]:
        """Return the quick answers to requests that are sent together."""

        async def ask() -> list[Answer]:
            return await asyncio.gather(*(_answer(self._quick, *each) for each in requests))

        return run_coroutine(ask())

    def ask(self, *request: Any) -> tuple[Answer, Answer, int]:
        """Return the quick answer, that of the framework, and how often the way was taken."""
        taken = 0

        def counted(function: Any) -> Any:
            async def call(*arguments: Any) -> Any:
                nonlocal taken
                taken += 1
                return await function(*arguments)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in ("search_by_id", "search_by_upload"):
                patch.setattr(quick_searches.api, name, counted(getattr(api, name)))
            quick = _ask(self._quick, *request)
        return quick, _ask(self._slow, *request), taken


@pytest.mark.parametrize("query", _SEARCHES)
def test_searches_by_id(ways: BothWays, query: str) -> None:
    request = ("GET", "/api/v1/indexes/six/search", query, b"", "")
    quick, slow, taken = ways.ask(*request)
    assert quick == slow
    assert taken == (query in _SEARCHES[:_GOOD])


@pytest.mark.parametrize(
    ("query", "body", "kind", "status"),
    [
        ("?k=3", (PICTURES / "3.jpg").read_bytes(), "image/jpeg", 200),
        ("", (PICTURES / "3.jpg").read_bytes(), "application/octet-stream; a=b", 200),
        ("", b"no picture", "image/png", 422),
        ("?k=0", b"no picture", "image/png", 422),
        ("", b"no picture", "text/plain", 415),
        ("", b"no form", "multipart/form-data", 400),
    ],
)
def test_searches_by_upload(
    ways: BothWays,
    query: str,
    body: bytes,
    kind: str,
    status: int,
) -> None:
    request = ("POST", "/api/v1/indexes/six/search/upload", query, body, kind)
    quick, slow, taken = ways.ask(*request)
    assert quick == slow
    assert quick[0] == status
    assert taken == (query != "?k=0" and status in (200, 422))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/indexes/other/search"),
        ("GET", "/api/v1/indexes/six/search/"),
        ("GET", "six/search"),
        ("POST", "/api/v1/indexes/six/search"),
        ("GET", "/api/v1/indexes/six/search/upload"),
    ],
)
def test_other_requests(ways: BothWays, method: str, path: str) -> None:
    quick, slow, taken = ways.ask(method, path, "?id=3", b"", "")
    assert quick == slow
    assert not taken


def test_searches_that_wait_are_answered_by_few_calls(ways: BothWays) -> None:
    searches = ways.service._searches._batches
    answer, sizes = searches._answer, []

    def counted(some: Any) -> Any:
        sizes.append(len(some))
        return answer(some)

    requests = [
        ("GET", "/api/v1/indexes/six/search", f"?id={number % 6 + 1}&k=3", b"", "")
        for number in range(50)
    ]
    alone = [ways.ask(*request)[0] for request in requests[:6]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searches, "_answer", counted)
        together = ways.ask_at_once(*requests)
    assert together == [alone[number % 6] for number in range(50)]
    assert max(sizes) >= 32, sizes
