"""Assembles the ASGI application: JSON API, pages, static files, error handlers, request guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from vecsim.web import api, pages, probes, review_api
from vecsim.web.access import OPENAPI_PATH, PROBE_PATHS
from vecsim.web.access_log import dropped_lines
from vecsim.web.index_service import IndexService
from vecsim.web.observation import Observer, ServerState
from vecsim.web.options import ServeOptions
from vecsim.web.pages import FOLDER
from vecsim.web.problems import MEDIA_TYPE, ProblemError
from vecsim.web.quick_searches import QuickSearches
from vecsim.web.request_guard import RequestGuard

if TYPE_CHECKING:
    from vecsim.web.metrics import Metrics

_DESCRIPTION = """\
Find identical and similar pictures in the indexes of this server. Scores are cosines with six
decimals; a search returns exactly the best `k` images whose score is at least `threshold`.

If the server requires a token, send `Authorization: Bearer TOKEN`. Errors are problem objects
(RFC 9457): `detail` says what happened, `advice` what to do, and programs can rely on `kind`.
"""

_HTTP_ADVICE = {
    404: "GET /api/v1/openapi.json describes all paths.",
    405: "GET /api/v1/openapi.json describes the methods of each path.",
}


@dataclass(slots=True)
class Application:
    """The ASGI application, and what it and the server ask of each other.

    `admits`: whether a client may open one more connection. `connections`: how many are open, and
    how many were refused; the server sets it.
    """

    asgi: ASGIApp
    admits: Callable[[str, bool], bool]
    connections: Callable[[], tuple[int, int]] = lambda: (0, 0)


def create_app(indexes: Mapping[str, IndexService], options: ServeOptions) -> Application:
    """Assemble the application for `indexes`, by name."""
    version = metadata.version("vecsim")
    app = FastAPI(
        title="vecsim",
        version=version,
        description=_DESCRIPTION,
        openapi_url=OPENAPI_PATH,
        docs_url=None,  # both pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": options.root_path}] if options.root_path else None,
    )
    app.include_router(api.router)
    app.include_router(review_api.router)
    app.include_router(pages.router)
    app.include_router(probes.router)
    app.mount("/static/shared", StaticFiles(packages=[("vecsim.render", "assets")]))
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    app.add_middleware(QuickSearches, indexes=indexes)
    _complete_openapi(app.openapi(), list(indexes))  # FastAPI keeps this document
    guard = RequestGuard(app, options)
    app.state.indexes = dict(indexes)
    app.state.options = options
    app.state.version = version
    app.state.active_requests = lambda: guard.active_requests
    app.state.metrics = metrics = _open_metrics(version)
    observer = Observer(
        _with_cors(guard, options), options, metrics.record if metrics is not None else None
    )
    application = Application(observer, guard.admits)

    def server_state() -> ServerState:
        opened, refused = application.connections()
        return ServerState(
            in_progress=observer.in_progress,
            waiting=guard.waiting,
            pictures=guard.active_requests,
            connections=opened,
            refused=refused,
            dropped_lines=dropped_lines(),
            lag=guard.load.lag,
        )

    app.state.server_state = server_state
    return application


def _open_metrics(version: str) -> Metrics | None:
    """The metrics for Prometheus; None without the package that writes them."""
    try:
        from vecsim.web.metrics import Metrics
    except ImportError:
        return None
    return Metrics(version)


def _with_cors(app: ASGIApp, options: ServeOptions) -> ASGIApp:
    """Let pages of the allowed origins read answers of the API, not of the pages."""
    if not options.origins:
        return app
    cors = CORSMiddleware(
        app,
        allow_origins=options.origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        max_age=600,
    )

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        to_api = scope["type"] == "http" and scope["path"].startswith("/api/")
        await (cors if to_api else app)(scope, receive, send)

    return choose


def _complete_openapi(document: dict[str, Any], names: list[str]) -> None:
    """Add the index names and the media type of errors to the OpenAPI document."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": names}
            for status, response in operation["responses"].items():
                if MEDIA_TYPE in response.get("content", ()):
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
                    if status == "400":  # uvicorn itself answers what is not HTTP
                        response["content"]["text/plain"] = {"schema": {"type": "string"}}


def _respond(request: Request, problem: ProblemError) -> Response:
    """The error as JSON below /api/ and for programs that watch the server, else as a page."""
    request.scope["vecsim.kind"] = problem.kind
    path = request.scope["path"]
    if path.startswith("/api/") or path in (*PROBE_PATHS, "/metrics"):
        return problem.response(path)
    return pages.problem_page(request, problem)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _respond(request, error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    """Values of the wrong type or out of range; the detail names each."""
    assert isinstance(error, RequestValidationError)
    places = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
        for each in error.errors()[:10]
    ]
    return _respond(
        request,
        ProblemError(422, "invalid", "; ".join(places) + ".", "Correct these values."),
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = ProblemError(
        error.status_code,
        "not-found" if error.status_code == 404 else "refused",
        f"{request.method} {request.url.path}: {error.detail}.",
        _HTTP_ADVICE.get(error.status_code, ""),
        headers=error.headers,
    )
    return _respond(request, problem)


async def _on_bug(request: Request, error: Exception) -> Response:
    """An unexpected exception. Starlette logs its traceback after this response."""
    detail = f"internal error: {type(error).__name__}."
    return _respond(request, ProblemError(500, "broken", detail, "Please report it."))
