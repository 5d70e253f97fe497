"""Routes of the JSON API for reviewing groups: groups, larger pictures, decisions, files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from vecsim.operations.applying import Choice
from vecsim.operations.deciding import ListedDecision
from vecsim.render.columns import cluster_columns, cluster_rows
from vecsim.render.review import group_data, head_data
from vecsim.sources import DecidedPair
from vecsim.web import review_schemas as schemas
from vecsim.web.dependencies import (
    FilesService,
    IdParameter,
    Limit,
    Service,
    Start,
    WritableService,
    problems,
    require_json,
)
from vecsim.web.group_service import FoundGroup
from vecsim.web.review_service import FileRequest, names_of

MAX_GROUPS = 1_000
"""Groups in one response."""

router = APIRouter(prefix="/api/v1", responses=problems(400, 401, 403, 404, 422, 431, 503))

GroupLimit = Annotated[int, Query(ge=1, le=MAX_GROUPS, description="Maximum number of groups.")]
GroupThreshold = Annotated[
    float | None,
    Query(ge=-1, le=1, description="Minimum score, inclusive; by default that of the index."),
]
Version = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Of earlier parts: the same groups go on if they are still in memory.",
    ),
]
Size = Annotated[
    Literal["card", "full"],
    Query(description="At most 640 pixels (`card`) or 4,096 (`full`) on the longer side."),
]


@router.get("/indexes/{index}/groups", tags=["groups"])
async def list_groups(
    service: Service,
    threshold: GroupThreshold = None,
    start: Start = 0,
    limit: GroupLimit = 100,
    version: Version = None,
) -> schemas.Groups:
    """List groups of near-duplicates, each with the image to keep first, and why.

    All are found at the first request and kept until the index or its decisions change.
    """
    found = await service.groups.find(threshold, version)
    part = found.groups[start : start + limit]
    head = head_data(cluster_columns(found.fields), found.fields)
    return schemas.Groups(
        index=service.name,
        version=found.version,
        threshold=found.threshold,
        total=len(found.groups),
        left_out=found.left_out,
        start=start,
        next=_next(start, len(part), len(found.groups)),
        columns=head["columns"],
        fields=head["fields"],
        groups=[_group(start + n + 1, each, found.fields) for n, each in enumerate(part)],
    )


def _group(number: int, found: FoundGroup, fields: Sequence[str]) -> schemas.Group:
    rows = [list(row) for row in cluster_rows(number, found.group, fields)]
    data = group_data(rows, found.group, found.facts)
    return schemas.Group(**data, decided=list(found.decided))


def _next(start: int, listed: int, total: int) -> int | None:
    """Return where the next part of a list begins."""
    end = start + listed
    return end if listed and end < total else None


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


# -- decisions -----------------------------------------------------------------------------------


@router.get("/indexes/{index}/decisions", tags=["decisions"])
async def list_decisions(
    service: Service, start: Start = 0, limit: Limit = 50
) -> schemas.Decisions:
    """List what was decided about pairs of pictures, and decisions that contradict each other."""
    decisions, contradictions = await service.read(service.review.list_decisions)
    part = decisions[start : start + limit]
    return schemas.Decisions(
        index=service.name,
        total=len(decisions),
        start=start,
        next=_next(start, len(part), len(decisions)),
        decisions=[_decision(each) for each in part],
        contradictions=names_of(contradictions),
    )


def _decision(listed: ListedDecision) -> schemas.Decision:
    decision = listed.decision
    return schemas.Decision(
        first=listed.first.id if listed.first else None,
        second=listed.second.id if listed.second else None,
        first_sha256=decision.first,
        second_sha256=decision.second,
        verdict=decision.verdict,
        decided_at=decision.decided_at,
    )


@router.post(
    "/indexes/{index}/decisions",
    tags=["decisions"],
    dependencies=[Depends(require_json)],
    responses=problems(408, 409, 413, 415),
)
async def decide(service: WritableService, new: schemas.NewDecisions) -> schemas.Decided:
    """Store whether pairs of images are the same picture or different ones, or take that back.

    A decision belongs to the bytes of both images. Pairs about which nothing can be stored are
    counted. Needs `--allow-writes`.
    """
    pairs = [
        DecidedPair(each.verdict, (each.first, each.second))
        for each in new.decisions
        if each.verdict is not None
    ]
    back = [(each.first, each.second) for each in new.decisions if each.verdict is None]
    done = await service.write(lambda: service.review.decide(pairs, back))
    return schemas.Decided(
        **asdict(done.imported),
        forgotten=done.forgotten,
        contradictions=names_of(done.contradictions),
    )


# -- files ---------------------------------------------------------------------------------------


@router.post(
    "/indexes/{index}/apply",
    tags=["files"],
    dependencies=[Depends(require_json)],
    responses=problems(408, 409, 413, 415),
)
async def apply(service: FilesService, new: schemas.NewChoices) -> schemas.Applied:
    """Move the files of images that are given up, or replace them by links, as `vecsim apply` does.

    Without a `plan` nothing is changed, and the answer says what would be done. Needs
    `--allow-files`.
    """
    asked = FileRequest(
        [Choice(each.id, "", each.group, each.keep) for each in new.choices],
        new.method,
        new.folder,
        new.threshold,
        new.plan,
    )
    plan, report = await service.write(lambda: service.review.apply(asked))
    journal = report.journal
    return schemas.Applied(
        dry_run=new.plan is None,
        plan=plan,
        journal=journal.name if journal is not None else None,
        removed=report.removed,
        files=[schemas.FileOutcome.from_record(each) for each in report.outcomes],
    )


@router.post(
    "/indexes/{index}/undo",
    tags=["files"],
    dependencies=[Depends(require_json)],
    responses=problems(408, 409, 413, 415),
)
async def undo(service: FilesService, asked: schemas.JournalName) -> schemas.Undone:
    """Bring back files that were moved or replaced by links, and their images.

    It can be repeated. Needs `--allow-files`.
    """
    report = await service.write(lambda: service.review.undo(asked.journal))
    return schemas.Undone(
        restored=report.restored,
        returned=report.returned,
        failed=[
            schemas.NotReturned(path=each.path, why=each.why) for each in report.files if each.why
        ],
        lost_indexes=report.lost_indexes,
    )
