"""The application: API, pages and files behind one door."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from vecsim.web import api, pages
from vecsim.web.door import API, Door
from vecsim.web.options import ServeOptions
from vecsim.web.pages import HERE
from vecsim.web.problems import MEDIA_TYPE, ProblemError
from vecsim.web.served import ServedIndex

log = logging.getLogger(__name__)

_ABOUT = """\
Find the same and alike pictures in the indexes of this server. Scores are cosines with six
decimals; a search answers with exactly the best `k` images of at least `threshold`.

Where the server has a token, send `Authorization: Bearer TOKEN`. Errors are problem objects
(RFC 9457): `detail` says what and where, `advice` what to do, `kind` is a word for programs.
"""

_HTTP_ADVICE = {
    404: "GET /api/v1/openapi.json says what there is.",
    405: "GET /api/v1/openapi.json says which methods there are.",
}


def create_app(indexes: Mapping[str, ServedIndex], options: ServeOptions) -> Door:
    """The ASGI application for `indexes`, by name."""
    version = metadata.version("vecsim")
    app = FastAPI(
        title="vecsim",
        version=version,
        description=_ABOUT,
        openapi_url=f"{API}openapi.json",
        docs_url=None,  # both pages would load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _broken)
    _complete(app.openapi(), list(indexes))  # made once, and kept
    door = Door(app, options)
    app.state.indexes = dict(indexes)
    app.state.options = options
    app.state.version = version
    app.state.inside = lambda: door.inside
    return door


def _complete(document: dict[str, Any], names: list[str]) -> None:
    """Let the description say which indexes there are, and of what type problems are."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": names}
            for status, response in operation["responses"].items():
                if MEDIA_TYPE in response.get("content", ()):
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
                    if status == "400":  # what is not HTTP, uvicorn refuses by itself
                        response["content"]["text/plain"] = {"schema": {"type": "string"}}


def _answer(request: Request, problem: ProblemError) -> Response:
    if request.url.path.startswith("/api/"):
        return problem.response(request.url.path)
    return pages.problem_page(request, problem)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    """Values out of range, named by their place."""
    assert isinstance(error, RequestValidationError)
    places = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
        for each in error.errors()[:10]
    ]
    return _answer(
        request,
        ProblemError(422, "invalid", "; ".join(places) + ".", "Correct the values named here."),
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    place = f"{request.method} {request.url.path}"
    problem = ProblemError(
        error.status_code,
        "not-found" if error.status_code == 404 else "refused",
        f"{place}: {error.detail}.",
        _HTTP_ADVICE.get(error.status_code, ""),
        headers=error.headers,
    )
    return _answer(request, problem)


async def _broken(request: Request, error: Exception) -> Response:
    """A mistake of ours. Starlette logs it with its traceback after this answer."""
    detail = f"the server itself failed: {type(error).__name__}."
    return _answer(request, ProblemError(500, "broken", detail, "Please report it."))
