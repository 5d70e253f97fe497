"""Searches by id and by upload without the framework, which takes as long as the search itself.

The routes of `api` say what these requests are, and their functions answer them. What is unusual,
wrong parameters included, goes the way of all other requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from vecsim.web import api, search_schemas
from vecsim.web.index_service import IndexService
from vecsim.web.problems import ProblemError

_INDEXES = "/api/v1/indexes/"
_BY_ID, _BY_UPLOAD = "/search", "/search/upload"


class QuickSearches:
    """ASGI middleware: answers searches by id and by upload, and passes on all other requests."""

    def __init__(self, app: ASGIApp, indexes: Mapping[str, IndexService]) -> None:
        """`indexes`: by name."""
        self._app = app
        self._indexes = indexes
        self._by_id = _route(_BY_ID)
        self._by_upload = _route(_BY_UPLOAD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        response = None
        if scope["type"] == "http":
            try:
                response = await self._answer(scope, receive)
            except ProblemError as problem:
                scope["vecsim.kind"] = problem.kind
                response = problem.response(scope["path"])
        if response is None:
            await self._app(scope, receive, send)
        else:
            await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """Answer a search; None for any other request. Raises `ProblemError`."""
        method, path = scope["method"], scope["path"]
        by_id = method == "GET" and path.endswith(_BY_ID)
        if not by_id and (method != "POST" or not path.endswith(_BY_UPLOAD)):
            return None
        name = path.removeprefix(_INDEXES).removesuffix(_BY_ID if by_id else _BY_UPLOAD)
        service = self._indexes.get(name)
        if service is None or not path.startswith(_INDEXES):
            return None
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            if by_id:
                image = search_schemas.SearchById.model_validate(given)
                scope["route"] = self._by_id
                return await api.search_by_id(service, image)
            request = Request(scope, receive)
            if not api.is_bare_file(request):
                return None
            how = search_schemas.SearchUpload.model_validate(given)
        except ValidationError:
            return None
        scope["route"] = self._by_upload
        return await api.search_by_upload(request, service, how)


def _route(end: str) -> BaseRoute:
    """Return the route of `api` whose path ends so."""
    path = f"{_INDEXES}{{index}}{end}"
    return next(route for route in api.router.routes if getattr(route, "path", "") == path)
