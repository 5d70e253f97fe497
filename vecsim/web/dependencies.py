"""What routes of the JSON API ask of each request: an index, permissions, parameters, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from vecsim.web import schemas
from vecsim.web.index_service import IndexService
from vecsim.web.problems import MEDIA_TYPE, ProblemError
from vecsim.web.schemas import MAX_LISTED, Id

_PROBLEM: dict[str, Any] = {"model": schemas.Problem, "content": {MEDIA_TYPE: {}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route, for the OpenAPI document."""
    return {status: {**_PROBLEM, "description": _MEANINGS[status]} for status in statuses}


_MEANINGS = {
    400: "The request cannot be parsed (answered as plain text if it is not HTTP).",
    401: "The server requires an access token, and the request has none.",
    403: "A cross-site request, or the server is read-only or does not act on files.",
    404: "No such index, image, thumbnail or journal.",
    408: "The body arrived too slowly.",
    409: "Another process is writing, the id is taken, the plan is of another dry run, or the "
    "server has no model for the index.",
    413: "The body is too large.",
    415: "The content type of the body is not supported.",
    422: "A value is out of range, or the picture cannot be loaded (`kind` says why).",
    431: "The header section or the URL is too long: ids are long, or there are many.",
    503: "Too busy: try again after `Retry-After` seconds.",
}


async def find_index(request: Request, index: str) -> IndexService:
    """The index of that name.

    FastAPI would run it, like each of these, in a thread if it were not `async`.
    """
    indexes: Mapping[str, IndexService] = request.app.state.indexes
    if index not in indexes:
        raise ProblemError(
            404,
            "unknown-index",
            f"no index is called {index!r}.",
            "GET /api/v1/indexes lists all indexes.",
        )
    return indexes[index]


async def _writable(request: Request, index: str) -> IndexService:
    """The index of that name; raises `ProblemError` if the server is read-only."""
    service = await find_index(request, index)
    if not request.app.state.options.allow_writes:
        raise _forbidden("read-only", f"{index}: this server is read-only.", "--allow-writes")
    return service


async def _with_files(request: Request, index: str) -> IndexService:
    """The index of that name; raises `ProblemError` unless the server may act on files."""
    service = await find_index(request, index)
    if not request.app.state.options.allow_files:
        what = f"{index}: this server does not act on files."
        raise _forbidden("no-files", what, "--allow-files")
    return service


def _forbidden(kind: str, what: str, option: str) -> ProblemError:
    return ProblemError(403, kind, what, f"Its operator can start it with {option}.")


async def require_json(request: Request) -> None:
    """Raise `ProblemError` unless the body is JSON, which a form of another site cannot send."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProblemError(415, "content-type", "the body must be application/json.")


Service = Annotated[IndexService, Depends(find_index)]
WritableService = Annotated[IndexService, Depends(_writable)]
FilesService = Annotated[IndexService, Depends(_with_files)]
IdParameter = Annotated[Id, Query(description="The id of an image.", examples=["3"])]
Start = Annotated[int, Query(ge=0, le=2**53, description="Position of the first item.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LISTED, description="Maximum number of items.")]
