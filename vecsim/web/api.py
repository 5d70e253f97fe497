"""The JSON API, version 1: `/api/v1`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from vecsim.records import media_type
from vecsim.web import schemas, search_schemas
from vecsim.web.connection_limits import client_of
from vecsim.web.dependencies import (
    IdParameter,
    Limit,
    Service,
    Start,
    WritableService,
    problems,
    require_json,
)
from vecsim.web.index_service import IndexService
from vecsim.web.problems import ProblemError
from vecsim.web.schemas import Id
from vecsim.web.search_service import HowSimilar

router = APIRouter(
    prefix="/api/v1",
    responses=problems(400, 401, 403, 404, 422, 431, 503),
)


# -- reading ------------------------------------------------------------------------------------


@router.get("/health", tags=["server"])
async def health(request: Request) -> schemas.Health:
    """Check that the server answers. Needs no token."""
    state = request.app.state
    return schemas.Health(
        status="ok",
        version=state.version,
        indexes=len(state.indexes),
        waiting=state.active_requests(),
    )


@router.get("/indexes", tags=["indexes"])
async def list_indexes(request: Request) -> schemas.Indexes:
    """List the indexes."""
    writable = request.app.state.options.allow_writes
    indexes = request.app.state.indexes.values()
    return schemas.Indexes(indexes=[await describe_index(each, writable) for each in indexes])


@router.get("/indexes/{index}", tags=["indexes"])
async def get_index(request: Request, service: Service) -> schemas.Index:
    """Get facts about an index."""
    return await describe_index(service, request.app.state.options.allow_writes)


@router.get("/indexes/{index}/images", tags=["images"])
async def list_images(service: Service, start: Start = 0, limit: Limit = 50) -> schemas.Images:
    """List images in the order in which they were added."""
    page = await service.list_images(start, limit)
    images = [schemas.Image.from_row(service.api_path, row) for row in page.rows]
    return schemas.Images.of_page(service.name, images, start, page.total)


@router.get("/indexes/{index}/image", tags=["images"])
async def get_image(service: Service, id: IdParameter) -> schemas.Image:
    """Get one image."""
    return schemas.Image.from_row(service.api_path, await service.get_image(id))


@router.get(
    "/indexes/{index}/thumbnail",
    tags=["images"],
    response_class=Response,
    responses={
        200: {
            "content": {"image/jpeg": {}, "image/webp": {}},
            "description": "A small picture: a JPEG, or a WebP where an earlier version made it.",
        }
    },
)
async def get_thumbnail(service: Service, id: IdParameter) -> Response:
    """Get the thumbnail of an image, if the index has one."""
    data = await service.get_thumbnail(id)
    if data is None:
        raise ProblemError(404, "no-thumbnail", f"{service.name}: image {id!r} has no thumbnail.")
    headers = {"Cache-Control": "private, max-age=600"}
    return Response(data, media_type=media_type(data), headers=headers)


@router.get("/indexes/{index}/failures", tags=["images"])
async def list_failures(service: Service, start: Start = 0, limit: Limit = 50) -> schemas.Failures:
    """List images that could not be loaded, each with the reason."""
    by_kind, failures = await service.list_failures(start, limit)
    total, end = sum(by_kind.values()), start + len(failures)
    return schemas.Failures(
        index=service.name,
        total=total,
        start=start,
        next=end if failures and end < total else None,
        by_kind=by_kind,
        failures=[schemas.Failure.from_record(failure) for failure in failures],
    )


# -- searching -----------------------------------------------------------------------------------


@router.get(
    "/indexes/{index}/search",
    tags=["search"],
    response_model=search_schemas.Matches,
    responses=problems(409),
)
async def search_by_id(
    service: Service, search: Annotated[search_schemas.SearchById, Query()]
) -> Response:
    """Find images similar to an image of the index, which is left out of the result."""
    how = HowSimilar(search.threshold, search.k, search.orientations)
    return _json(await service.search(search.id, how))


@router.post(
    "/indexes/{index}/search/url",
    tags=["search"],
    response_model=search_schemas.Matches,
    responses=problems(408, 409, 413),
)
async def search_by_url(
    request: Request, service: Service, search: search_schemas.SearchUrl
) -> Response:
    """Find images similar to the picture at an http(s) URL.

    Private addresses are refused unless the server was started with `--allow-private`.
    """
    how = HowSimilar(search.threshold, search.k, search.orientations)
    picture = await service.embed_url(search.url, client_of(request.scope), how)
    return _json(await service.search(picture, how))


_FILE_SCHEMA = {"type": "string", "format": "binary"}


@router.post(
    "/indexes/{index}/search/upload",
    tags=["search"],
    response_model=search_schemas.Matches,
    responses=problems(408, 409, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": _FILE_SCHEMA},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": _FILE_SCHEMA},
                    }
                },
            },
        }
    },
)
async def search_by_upload(
    request: Request, service: Service, search: Annotated[search_schemas.SearchUpload, Query()]
) -> Response:
    """Find images similar to an uploaded picture: the request body, or the form file `image`."""
    how = HowSimilar(search.threshold, search.k, search.orientations)
    data = await _uploaded_bytes(request)
    picture = await service.embed_upload(data, client_of(request.scope), how)
    return _json(await service.search(picture, how))


async def _uploaded_bytes(request: Request) -> bytes:
    """The bytes of the uploaded file; raises `ProblemError`."""
    if is_bare_file(request):
        return await request.body()
    kind = _content_type(request)
    if kind != "multipart/form-data":
        raise ProblemError(
            415,
            "content-type",
            f"{kind or 'no content type'}: not supported for uploads.",
            "Send it as application/octet-stream, image/…, or as 'image' of multipart/form-data.",
        )
    async with request.form(max_files=1, max_fields=8) as form:
        image = form.get("image")
        if not isinstance(image, UploadFile):
            raise ProblemError(
                422, "no-picture", "the form has no file 'image'.", "Add it to the form."
            )
        return await image.read()


def is_bare_file(request: Request) -> bool:
    """Whether the body is an image file by itself, by its content type."""
    kind = _content_type(request)
    return kind == "application/octet-stream" or kind.startswith("image/")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


# -- writing -------------------------------------------------------------------------------------


@router.post(
    "/indexes/{index}/images",
    tags=["changes"],
    dependencies=[Depends(require_json)],
    responses=problems(408, 409, 413, 415),
)
async def add_images(
    request: Request, service: WritableService, new: schemas.NewImages
) -> schemas.Added:
    """Download images and add them in one commit; known images are skipped.

    An image that cannot be loaded is recorded as a failure of the index. Needs `--allow-writes`.
    """
    refs = [image.as_ref(client_of(request.scope)) for image in new.images]
    ids = {ref.id for ref in refs}
    if len(ids) < len(refs):
        raise ProblemError(
            422, "duplicate-id", "an id appears twice in this request.", "Send each id once."
        )
    report, failures = await service.add(refs, new.on_duplicate)
    return schemas.Added(
        added=report.added,
        skipped=report.skipped,
        replaced=report.replaced,
        failed=report.failed,
        failures=[schemas.Failure.from_record(failure) for failure in failures],
    )


@router.delete("/indexes/{index}/images", tags=["changes"], responses=problems(409))
async def remove_images(
    service: WritableService, id: Annotated[list[Id], Query(min_length=1, max_length=100)]
) -> schemas.Removed:
    """Remove images by id: all of them, or none if one is unknown. Needs `--allow-writes`."""
    return schemas.Removed(removed=await service.remove(id))


# -- responses -----------------------------------------------------------------------------------


async def describe_index(service: IndexService, writable: bool) -> schemas.Index:
    """Facts about an index. `writable`: whether the server accepts changes."""
    info = await service.info()
    return schemas.Index(
        name=service.name,
        images=info.images,
        failures=sum(info.failures.values()),
        model=info.fingerprint.model,
        dim=info.fingerprint.dim,
        threshold=info.threshold,
        takes_pictures=service.embedder is not None,
        writable=writable and service.embedder is not None,
        fields=info.fields,
        segments=info.segments,
        byte_count=info.byte_count,
    )


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
