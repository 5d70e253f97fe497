"""The JSON API, version 1: `/api/v1`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from vecsim.catalog import ImageRow
from vecsim.records import Embedded, ImageRef
from vecsim.records import Failure as FailureRecord
from vecsim.web import schemas
from vecsim.web.problems import MEDIA_TYPE, ProblemError
from vecsim.web.schemas import MOST_LISTED, Id, Most, Threshold
from vecsim.web.served import Found, ServedIndex

_PROBLEM: dict[str, Any] = {
    "model": schemas.Problem,
    "content": {MEDIA_TYPE: {}},
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {**_PROBLEM, "description": _WHEN[status]} for status in statuses}


_WHEN = {
    400: "The request cannot be read (told as plain text where it is not even HTTP).",
    401: "The server has a token, and the request does not show it.",
    403: "Another site's page asks, or the server is read-only.",
    404: "No such index, image or thumbnail.",
    408: "The body came too slowly.",
    409: "Another process is writing, the id is taken, or the index has no model here.",
    413: "The body is too large.",
    415: "The body's content type is not what is asked for.",
    422: "A value is out of range, or the picture cannot be had (`kind` says why).",
    431: "The head is too large: ids are long, or there are many.",
    503: "Too busy: try again after `Retry-After` seconds.",
}

router = APIRouter(
    prefix="/api/v1",
    responses=_problems(400, 401, 403, 404, 422, 431, 503),
)


def find_index(request: Request, index: str) -> ServedIndex:
    """The index of that name."""
    indexes: Mapping[str, ServedIndex] = request.app.state.indexes
    if index not in indexes:
        raise ProblemError(
            404, "unknown-index", f"no index is called {index!r}.", "GET /api/v1/indexes lists all."
        )
    return indexes[index]


def _writable(request: Request, index: str) -> ServedIndex:
    """The index of that name, for those who may change it, in a body that no form can send."""
    served = find_index(request, index)
    if not request.app.state.options.allow_writes:
        raise ProblemError(
            403,
            "read-only",
            f"{index}: this server does not change its indexes.",
            "Start it with --allow-writes.",
        )
    return served


Named = Annotated[ServedIndex, Depends(find_index)]
Writable = Annotated[ServedIndex, Depends(_writable)]
AskedThreshold = Annotated[Threshold, Query(description="Least score, inclusive.")]
AskedMost = Annotated[Most, Query(description="Most matches, best first.")]
AskedId = Annotated[Id, Query(description="An image's id.", examples=["3"])]
Start = Annotated[int, Query(ge=0, le=2**53, description="Position of the first one.")]
Limit = Annotated[int, Query(ge=1, le=MOST_LISTED, description="How many at most.")]


# -- what there is -------------------------------------------------------------------------------


@router.get("/health", tags=["server"])
async def health(request: Request) -> schemas.Health:
    """Tell whether the server answers. Needs no token."""
    state = request.app.state
    return schemas.Health(
        status="ok", version=state.version, indexes=len(state.indexes), waiting=state.inside()
    )


@router.get("/indexes", tags=["indexes"])
async def list_indexes(request: Request) -> schemas.Indexes:
    """List the indexes."""
    writable = request.app.state.options.allow_writes
    indexes = request.app.state.indexes.values()
    return schemas.Indexes(indexes=[await describe(each, writable) for each in indexes])


@router.get("/indexes/{index}", tags=["indexes"])
async def get_index(request: Request, named: Named) -> schemas.Index:
    """Tell what an index holds."""
    return await describe(named, request.app.state.options.allow_writes)


@router.get("/indexes/{index}/images", tags=["images"])
async def list_images(named: Named, start: Start = 0, limit: Limit = 50) -> schemas.Images:
    """List images in the order in which they were added."""
    part = await named.images(start, limit)
    end = start + len(part.rows)
    return schemas.Images(
        index=named.name,
        total=part.total,
        start=start,
        next=end if part.rows and end < part.total else None,
        images=[image_of(named, row) for row in part.rows],
    )


@router.get("/indexes/{index}/image", tags=["images"])
async def get_image(named: Named, id: AskedId) -> schemas.Image:
    """Get one image."""
    return image_of(named, await named.image(id))


@router.get(
    "/indexes/{index}/thumbnail",
    tags=["images"],
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}, "description": "A small picture."}},
)
async def get_thumbnail(named: Named, id: AskedId) -> Response:
    """Get the thumbnail of an image, if the index keeps one."""
    data = await named.thumbnail(id)
    if data is None:
        raise ProblemError(
            404, "no-thumbnail", f"{named.name}: there is no thumbnail of {id!r}.", ""
        )
    headers = {"Cache-Control": "private, max-age=600"}
    return Response(data, media_type="image/webp", headers=headers)


@router.get("/indexes/{index}/failures", tags=["images"])
async def list_failures(named: Named, start: Start = 0, limit: Limit = 50) -> schemas.Failures:
    """List images that could not be had, each with its reason."""
    by_kind, failures = await named.failures(start, limit)
    total, end = sum(by_kind.values()), start + len(failures)
    return schemas.Failures(
        index=named.name,
        total=total,
        start=start,
        next=end if failures and end < total else None,
        by_kind=by_kind,
        failures=[failure_of(failure) for failure in failures],
    )


# -- searching -----------------------------------------------------------------------------------


@router.get("/indexes/{index}/search", tags=["search"], responses=_problems(409))
async def search_by_id(
    named: Named, id: AskedId, threshold: AskedThreshold = -1.0, k: AskedMost = 50
) -> schemas.Matches:
    """Find images like one of the index's own, that one left out."""
    return matches_of(named, await named.like_id(id, threshold, k), threshold, k)


@router.post("/indexes/{index}/search/url", tags=["search"], responses=_problems(408, 409, 413))
async def search_by_url(named: Named, asked: schemas.SearchUrl) -> schemas.Matches:
    """Find images like the picture behind an http(s) URL.

    Private addresses are refused unless the server was started with `--allow-private`.
    """
    picture = await named.fetch(asked.url)
    found = await named.like_picture(picture, asked.threshold, asked.k)
    return matches_of(named, found, asked.threshold, asked.k)


_FILE = {"type": "string", "format": "binary"}


@router.post(
    "/indexes/{index}/search/upload",
    tags=["search"],
    responses=_problems(408, 409, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": _FILE},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": _FILE},
                    }
                },
            },
        }
    },
)
async def search_by_upload(
    request: Request, named: Named, threshold: AskedThreshold = -1.0, k: AskedMost = 50
) -> schemas.Matches:
    """Find images like the picture sent: as the body itself, or as `image` of a form."""
    picture = await named.take(await _uploaded(request))
    return matches_of(named, await named.like_picture(picture, threshold, k), threshold, k)


async def _uploaded(request: Request) -> bytes:
    """The bytes of the picture in the request's body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/octet-stream" or kind.startswith("image/"):
        return await request.body()
    if kind != "multipart/form-data":
        raise ProblemError(
            415,
            "content-type",
            f"{kind or 'no content type'}: not how a picture is sent.",
            "Send it as application/octet-stream, image/…, or as 'image' of multipart/form-data.",
        )
    async with request.form(max_files=1, max_fields=8) as form:
        image = form.get("image")
        if not isinstance(image, UploadFile):
            raise ProblemError(
                422, "no-picture", "the form has no file called 'image'.", "Add it to the form."
            )
        return await image.read()


# -- changing ------------------------------------------------------------------------------------


@router.post("/indexes/{index}/images", tags=["changes"], responses=_problems(408, 409, 413, 415))
async def add_images(request: Request, writable: Writable, new: schemas.NewImages) -> schemas.Added:
    """Fetch images and add them in one commit; those known already are skipped.

    One that cannot be had is recorded as a failure of the index. Needs `--allow-writes`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProblemError(415, "content-type", "images are added as application/json.", "")
    refs = [ImageRef(image.id or image.url, image.url, image.fields) for image in new.images]
    ids = {ref.id for ref in refs}
    if len(ids) < len(refs):
        raise ProblemError(
            422, "duplicate-id", "an id comes twice in this request.", "Send each id once."
        )
    report, failures = await writable.add(refs, new.on_duplicate)
    return schemas.Added(
        added=report.added,
        skipped=report.skipped,
        replaced=report.replaced,
        failed=report.failed,
        failures=[failure_of(failure) for failure in failures],
    )


@router.delete("/indexes/{index}/images", tags=["changes"], responses=_problems(409))
async def remove_images(
    writable: Writable, id: Annotated[list[Id], Query(min_length=1, max_length=100)]
) -> schemas.Removed:
    """Remove images by id: all of them, or none if one is not there. Needs `--allow-writes`."""
    return schemas.Removed(removed=await writable.remove(id))


# -- from records to answers ---------------------------------------------------------------------


async def describe(named: ServedIndex, writable: bool) -> schemas.Index:
    """What an index holds, as the API tells it."""
    info = await named.info()
    return schemas.Index(
        name=named.name,
        images=info.images,
        failures=sum(info.failures.values()),
        model=info.fingerprint.model,
        dim=info.fingerprint.dim,
        threshold=info.threshold,
        takes_pictures=named.engine is not None,
        writable=writable and named.engine is not None,
        fields=info.fields,
        segments=info.segments,
        byte_count=info.byte_count,
    )


def thumbnail_path(named: ServedIndex, image_id: str) -> str:
    """Where the thumbnail of an image is on this server."""
    name = quote(named.name, safe="")
    return f"/api/v1/indexes/{name}/thumbnail?id={quote(image_id, safe='')}"


def image_of(named: ServedIndex, row: ImageRow) -> schemas.Image:
    """One stored image."""
    return schemas.Image(
        id=row.ref.id,
        url=row.ref.url,
        fields=dict(row.ref.fields),
        width=row.facts.width,
        height=row.facts.height,
        format=row.facts.format,
        byte_count=row.facts.byte_count,
        final_url=row.facts.final_url,
        added_at=row.added_at,
        thumbnail=thumbnail_path(named, row.ref.id),
    )


def failure_of(failure: FailureRecord) -> schemas.Failure:
    """One failure."""
    return schemas.Failure(
        id=failure.ref.id,
        url=failure.ref.url,
        kind=failure.kind,
        message=failure.message,
        http_status=failure.http_status,
        attempts=failure.attempts,
        last_try=failure.last_try,
    )


def matches_of(named: ServedIndex, found: Found, threshold: float, k: int) -> schemas.Matches:
    """An answer to a search."""
    query = found.query
    return schemas.Matches(
        index=named.name,
        query=schemas.Query(
            id=None if isinstance(query, Embedded) else query.ref.id,
            url=query.ref.url,
            width=query.facts.width,
            height=query.facts.height,
            format=query.facts.format,
        ),
        threshold=threshold,
        k=k,
        more=found.more,
        matches=[
            schemas.Match(
                id=match.reference_id,
                url=match.reference_url,
                score=match.score,
                fields=dict(match.reference_fields),
                thumbnail=thumbnail_path(named, match.reference_id),
            )
            for match in found.matches
        ],
    )
