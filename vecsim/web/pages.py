"""The HTML pages: search, browse, groups, failures, about, login; search.js calls the JSON API."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vecsim import paths
from vecsim.render.review import REVIEW, REVIEW_SCRIPTS
from vecsim.web import api
from vecsim.web.access import cookie_name, cookie_value, token_matches
from vecsim.web.dependencies import Service
from vecsim.web.options import ServeOptions
from vecsim.web.problems import ProblemError
from vecsim.web.review_api import GroupThreshold
from vecsim.web.schemas import Image

FOLDER = Path(__file__).resolve().parent

PAGE_SIZE = 48
"""Images, or failures, on one page."""

EXAMPLES = 12
"""Newest images shown on the search page before a search."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def web_url(url: str) -> str | None:
    """The URL if it is safe in a link; None for other schemes, such as javascript:."""
    return url if re.match(r"https?://", url, re.IGNORECASE) else None


def _size(count: int) -> str:
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if number >= 10 or unit == "bytes" else f"{number:.1f} {unit}"


def _day(timestamp: str) -> str:
    try:
        return datetime.fromisoformat(timestamp).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return timestamp


def _short_name(image: Image) -> str:
    """The last part of an id that is a path or URL; other ids as they are."""
    return paths.file_name(image.id) or image.id if image.id == image.url else image.id


def _with_code(text: str) -> Markup:
    """Escape text for HTML and turn `code` into a code element."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "web_url": web_url,
    "size": _size,
    "day": _day,
    "quoted": lambda text: quote(text, safe=""),
    "with_code": _with_code,
    "short_name": _short_name,
    "count": lambda number: f"{number:,}",
}


def _render(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    state = request.app.state
    text = _templates.get_template(name).render(
        root=state.options.root_path,
        several=len(state.indexes) > 1,
        has_token=state.options.token is not None,
        writes=state.options.allow_writes,
        files=state.options.allow_files,
        max_bytes=state.options.max_bytes,
        version=state.version,
        **{"service": None, "tab": "", **values},
    )
    return HTMLResponse(text, status)


def problem_page(request: Request, problem: ProblemError) -> Response:
    """The HTML page of an error."""
    response = _render(request, "problem.html", problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


PageNumber = Annotated[int, Query(ge=1, le=10**9)]


@router.get("/")
async def start(request: Request) -> Response:
    """The list of indexes; redirects to the only one."""
    indexes, root = request.app.state.indexes, request.app.state.options.root_path
    if len(indexes) == 1:
        return RedirectResponse(f"{root}/i/{quote(next(iter(indexes)), safe='')}", 303)
    return _render(
        request,
        "indexes.html",
        found=[await api.describe_index(i, False) for i in indexes.values()],
    )


@router.get("/i/{index}")
async def search(request: Request, service: Service, id: str | None = None) -> Response:
    """The search page. `id`: an image of the index to search for at once."""
    row = None if id is None else Image.from_row(service.api_path, await service.get_image(id))
    info = await api.describe_index(service, request.app.state.options.allow_writes)
    examples: list[Image] = []
    if row is None:
        newest = await service.list_images(max(0, info.images - EXAMPLES), EXAMPLES)
        examples = [Image.from_row(service.api_path, each) for each in reversed(newest.rows)]
    return _render(
        request,
        "search.html",
        service=service,
        tab="search",
        info=info,
        query=row,
        examples=examples,
    )


@router.get("/i/{index}/browse")
async def browse(request: Request, service: Service, page: PageNumber = 1) -> Response:
    """All images, in pages."""
    part = await service.list_images((page - 1) * PAGE_SIZE, PAGE_SIZE)
    return _render(
        request,
        "browse.html",
        service=service,
        tab="browse",
        images=[Image.from_row(service.api_path, row) for row in part.rows],
        total=part.total,
        page=page,
        pages=max(1, -(-part.total // PAGE_SIZE)),
    )


@router.get("/i/{index}/groups")
async def groups(request: Request, service: Service, threshold: GroupThreshold = None) -> Response:
    """The review of groups of near-duplicates; its script reads them from the JSON API."""
    return _render(
        request,
        "groups.html",
        service=service,
        tab="groups",
        info=await api.describe_index(service, request.app.state.options.allow_writes),
        threshold=threshold,
        review=Markup(REVIEW.content()),
        scripts=REVIEW_SCRIPTS,
    )


@router.get("/i/{index}/failures")
async def failures(request: Request, service: Service, page: PageNumber = 1) -> Response:
    """The images that could not be loaded, in pages."""
    by_kind, found = await service.list_failures((page - 1) * PAGE_SIZE, PAGE_SIZE)
    total = sum(by_kind.values())
    return _render(
        request,
        "failures.html",
        service=service,
        tab="failures",
        failures=found,
        by_kind=by_kind,
        total=total,
        page=page,
        pages=max(1, -(-total // PAGE_SIZE)),
    )


@router.get("/i/{index}/about")
async def about(request: Request, service: Service) -> Response:
    """Facts about the index."""
    info = await api.describe_index(service, request.app.state.options.allow_writes)
    return _render(request, "about.html", service=service, tab="about", info=info)


@router.get("/api")
async def api_page(request: Request) -> Response:
    """A summary of the JSON API."""
    document = request.app.openapi()
    routes = [
        (method.upper(), path, operation["summary"], operation["description"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return _render(request, "api.html", tab="api", routes=routes)


# -- login ---------------------------------------------------------------------------------------


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:
    """The form that asks for the access token."""
    return _render(request, "login.html", next=_local(next), wrong=False)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Check the token and set a cookie that browsers send from this server's pages only."""
    body = (await request.body())[:20_000].decode("utf-8", "replace")
    form = {name: values[0] for name, values in parse_qs(body).items()}
    options: ServeOptions = request.app.state.options
    target, token = _local(form.get("next", "/")), options.token
    if token is None:
        return RedirectResponse(options.root_path + target, 303)
    if not token_matches(form.get("token", "").strip(), token):
        await asyncio.sleep(options.wrong_token_seconds)
        return _render(request, "login.html", 401, next=target, wrong=True)
    response = RedirectResponse(options.root_path + target, 303)
    response.set_cookie(
        cookie_name(request.scope),
        cookie_value(token),
        max_age=30 * 86_400,
        path=options.root_path or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _local(target: str) -> str:
    """The target if it is a path of this server, else "/": prevents open redirects."""
    local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if local and target.isascii() else "/"
