"""The pages for people: rendered here, brought to life by one plain script."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vecsim.web import api
from vecsim.web.door import cookie_name, cookie_value, is_token
from vecsim.web.problems import ProblemError
from vecsim.web.served import ServedIndex

HERE = Path(__file__).resolve().parent

PAGE = 48
"""Images, or failures, on one page."""

STARTERS = 12
"""Images to begin with on the search page."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def web_url(url: str) -> str | None:
    """The URL if it may stand in a link: a row of a stranger's list can say javascript:."""
    return url if re.match(r"https?://", url, re.IGNORECASE) else None


def _size(count: int) -> str:
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if number >= 10 or unit == "bytes" else f"{number:.1f} {unit}"


def _day(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return moment


def _with_code(text: str) -> Markup:
    """Markdown's `code` as HTML, and nothing else of it."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
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
    "count": lambda number: f"{number:,}",
}


def _render(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    state = request.app.state
    text = _templates.get_template(name).render(
        several=len(state.indexes) > 1,
        has_token=state.options.token is not None,
        writes=state.options.allow_writes,
        max_bytes=state.options.max_bytes,
        version=state.version,
        **{"named": None, "tab": "", **values},
    )
    return HTMLResponse(text, status)


def problem_page(request: Request, problem: ProblemError) -> Response:
    """A problem, for people."""
    response = _render(request, "problem.html", problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


Named = Annotated[ServedIndex, Depends(api.find_index)]
PageNumber = Annotated[int, Query(ge=1, le=10**9)]


@router.get("/")
async def start(request: Request) -> Response:
    """The list of indexes, or the only one."""
    indexes = request.app.state.indexes
    if len(indexes) == 1:
        return RedirectResponse(f"/i/{quote(next(iter(indexes)), safe='')}", 303)
    return _render(
        request, "indexes.html", found=[await api.describe(i, False) for i in indexes.values()]
    )


@router.get("/i/{index}")
async def search(request: Request, named: Named, id: str | None = None) -> Response:
    """The search page; `id`: one of the index's own images to begin with."""
    row = None if id is None else api.image_of(named, await named.image(id))
    info = await api.describe(named, request.app.state.options.allow_writes)
    newest = await named.images(max(0, info.images - STARTERS), STARTERS) if row is None else None
    starters = [api.image_of(named, each) for each in reversed(newest.rows)] if newest else []
    return _render(
        request,
        "search.html",
        named=named,
        tab="search",
        info=info,
        query=row,
        starters=starters,
    )


@router.get("/i/{index}/browse")
async def browse(request: Request, named: Named, page: PageNumber = 1) -> Response:
    """All images, page by page."""
    part = await named.images((page - 1) * PAGE, PAGE)
    return _render(
        request,
        "browse.html",
        named=named,
        tab="browse",
        images=[api.image_of(named, row) for row in part.rows],
        total=part.total,
        page=page,
        pages=max(1, -(-part.total // PAGE)),
    )


@router.get("/i/{index}/failures")
async def failures(request: Request, named: Named, page: PageNumber = 1) -> Response:
    """What could not be had."""
    by_kind, found = await named.failures((page - 1) * PAGE, PAGE)
    total = sum(by_kind.values())
    return _render(
        request,
        "failures.html",
        named=named,
        tab="failures",
        failures=found,
        by_kind=by_kind,
        total=total,
        page=page,
        pages=max(1, -(-total // PAGE)),
    )


@router.get("/i/{index}/about")
async def about(request: Request, named: Named) -> Response:
    """The index in numbers."""
    info = await api.describe(named, request.app.state.options.allow_writes)
    return _render(request, "about.html", named=named, tab="about", info=info)


@router.get("/api")
async def api_page(request: Request) -> Response:
    """What the JSON API can do, in short."""
    document = request.app.openapi()
    routes = [
        (method.upper(), path, operation["summary"], operation["description"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return _render(request, "api.html", tab="api", routes=routes)


# -- the token -----------------------------------------------------------------------------------


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:
    """Ask for the token."""
    return _render(request, "login.html", next=_local(next), wrong=False)


@router.post("/login")
async def check(request: Request) -> Response:
    """Exchange the token for a cookie that only this server's own pages send."""
    body = (await request.body())[:20_000].decode("utf-8", "replace")
    form = {name: values[0] for name, values in parse_qs(body).items()}
    target, token = _local(form.get("next", "/")), request.app.state.options.token
    if token is None:
        return RedirectResponse(target, 303)
    if not is_token(form.get("token", "").strip(), token):
        return _render(request, "login.html", 401, next=target, wrong=True)
    response = RedirectResponse(target, 303)
    response.set_cookie(
        cookie_name(request.scope),
        cookie_value(token),
        max_age=30 * 86_400,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _local(target: str) -> str:
    """A place on this server, or its start: a link must not lead a visitor elsewhere."""
    fine = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if fine and target.isascii() else "/"
