"""Routes of the JSON API for reviewing groups: `/api/v1/indexes/{index}/groups` and `/picture`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from vecsim.render.columns import cluster_columns, cluster_rows
from vecsim.render.review import group_data, head_data
from vecsim.web import schemas
from vecsim.web.api import IdParameter, Service, Start, problems
from vecsim.web.group_service import FoundGroup

MAX_GROUPS = 1_000
"""Groups in one response."""

router = APIRouter(prefix="/api/v1", responses=problems(400, 401, 403, 404, 422, 431, 503))

GroupLimit = Annotated[int, Query(ge=1, le=MAX_GROUPS, description="Maximum number of groups.")]
GroupThreshold = Annotated[
    float | None,
    Query(ge=-1, le=1, description="Minimum score, inclusive; by default that of the index."),
]
Size = Annotated[
    Literal["card", "full"],
    Query(description="At most 640 pixels (`card`) or 4,096 (`full`) on the longer side."),
]


@router.get("/indexes/{index}/groups", tags=["groups"])
async def list_groups(
    service: Service, threshold: GroupThreshold = None, start: Start = 0, limit: GroupLimit = 100
) -> schemas.Groups:
    """List groups of near-duplicates, each with the image to keep first, and why.

    All are found at the first request and kept until the index changes.
    """
    found = await service.groups.find(threshold)
    part = found.groups[start : start + limit]
    end, total = start + len(part), len(found.groups)
    head = head_data(cluster_columns(found.fields), found.fields)
    return schemas.Groups(
        index=service.name,
        generation=found.generation,
        threshold=found.threshold,
        total=total,
        left_out=found.left_out,
        start=start,
        next=end if part and end < total else None,
        columns=head["columns"],
        fields=head["fields"],
        groups=[_group(start + n + 1, each, found.fields) for n, each in enumerate(part)],
    )


def _group(number: int, found: FoundGroup, fields: Sequence[str]) -> schemas.Group:
    rows = [list(row) for row in cluster_rows(number, found.group, fields)]
    return schemas.Group(**group_data(rows, found.group, found.facts))


@router.get(
    "/indexes/{index}/picture",
    tags=["images"],
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}, "description": "A WebP picture."}},
)
async def get_picture(service: Service, id: IdParameter, size: Size = "card") -> Response:
    """Render an image larger than its thumbnail, from its file or URL.

    Only the bytes that were indexed are shown. What was fetched is not stored.
    """
    headers = {"Cache-Control": "private, max-age=600"}
    webp = await service.render_picture(id, size)
    return Response(webp, media_type="image/webp", headers=headers)
