"""What programs that watch the server ask for: /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from vecsim.web.index_service import IndexService
from vecsim.web.observation import IndexState
from vecsim.web.problems import ProblemError

log = logging.getLogger(__name__)

HEALTH_PATH, READY_PATH, METRICS_PATH = "/healthz", "/readyz", "/metrics"

_SECONDS = 5.0
"""How long an index may take to answer: less than the ten seconds that Prometheus waits."""

router = APIRouter(include_in_schema=False)


@router.get(HEALTH_PATH)
async def healthz() -> Response:
    """Say that the process runs and answers. Needs no token."""
    return JSONResponse({"status": "ok"})


@router.get(READY_PATH)
async def readyz(request: Request) -> Response:
    """Say whether all indexes can be read. Needs no token, and names no index."""
    indexes = list(request.app.state.indexes.values())
    states = await asyncio.gather(*map(_state_of, indexes))
    bad = sum(state is None for state in states)
    if not bad:
        return JSONResponse({"status": "ready"})
    raise ProblemError(
        503,
        "not-ready",
        f"{bad} of {len(indexes)} indexes cannot be read, or took longer than {_SECONDS:g} s.",
        "The log of the server has the reasons.",
        headers={"Retry-After": "5"},
    )


@router.get(METRICS_PATH)
async def metrics(request: Request) -> Response:
    """Write the metrics for Prometheus."""
    state = request.app.state
    if state.metrics is None:
        raise ProblemError(
            404,
            "no-metrics",
            "this server has no metrics.",
            "Its operator can install them: pip install 'vecsim[metrics]'",
        )
    services = list(state.indexes.values())
    states = await asyncio.gather(*map(_state_of, services))
    by_name = {service.name: found for service, found in zip(services, states, strict=True)}
    accept = request.headers.get("accept", "")
    text, media_type = state.metrics.exposition(accept, state.server_state(), by_name)
    return Response(text, headers={"Content-Type": media_type})


async def _state_of(service: IndexService) -> IndexState | None:
    """What an index holds; None if it cannot be read in time."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await service.state()
    except (ProblemError, TimeoutError) as error:
        detail = error.detail if isinstance(error, ProblemError) else f"no answer in {_SECONDS:g} s"
        log.warning("%s is not ready: %s", service.name, detail)
        return None
