"""Request and response bodies of the JSON API, and how responses are made from vecsim's records.

The docstrings and descriptions of these classes are part of the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vecsim.catalog import ImageRow
from vecsim.records import Failure as FailureRecord
from vecsim.records import ImageRef
from vecsim.urls import without_credentials

MAX_LISTED = 200
MAX_ADDED = 100

# NUL ends a text in other programs that read the catalog, and no path or URL has one.
_NO_NUL = r"^[^\x00]*$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=_NO_NUL)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=_NO_NUL)]
Threshold = Annotated[float, Field(ge=-1, le=1, description="Minimum score, inclusive.")]


def api_path(root_path: str, index: str) -> str:
    """The path of an index in the JSON API. `root_path`: the prefix of all paths, or ""."""
    return f"{root_path}/api/v1/indexes/{quote(index, safe='')}"


def thumbnail_path(index_path: str, image_id: str) -> str:
    """The path of an image's thumbnail. `index_path`: see `api_path`."""
    return f"{index_path}/thumbnail?id={quote(image_id, safe='')}"


class RequestBody(BaseModel):
    """A request body: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class Problem(BaseModel):
    """An error (RFC 9457): what happened to what (`detail`), and what to do (`advice`)."""

    type: str
    title: str
    status: int
    detail: str
    advice: str
    instance: str
    kind: str = Field(
        description="The kind of error, for programs: unknown-id, timeout, too-large, …"
    )


class Image(BaseModel):
    """One image of an index."""

    id: str
    url: str = Field(description="Its URL or path; may be empty.")
    fields: dict[str, str] = Field(description="The other columns of its row in the source.")
    width: int = Field(description="Pixels; 0 if not known.")
    height: int
    format: str
    byte_count: int
    final_url: str = Field(description="Its URL after redirects.")
    added_at: str = Field(description="UTC, ISO 8601.")
    thumbnail: str = Field(description="Path of its thumbnail; status 404 if it has none.")

    @classmethod
    def from_row(cls, index_path: str, row: ImageRow) -> Image:
        """The image of a catalog row. `index_path`: see `api_path`."""
        return cls(
            id=row.ref.id,
            url=row.ref.url,
            fields=dict(row.ref.fields),
            width=row.facts.width,
            height=row.facts.height,
            format=row.facts.format,
            byte_count=row.facts.byte_count,
            final_url=row.facts.final_url,
            added_at=row.added_at,
            thumbnail=thumbnail_path(index_path, row.ref.id),
        )


class Images(BaseModel):
    """A page of an index's images, in the order in which they were added."""

    index: str
    total: int
    start: int
    next: int | None = Field(description="The `start` of the next page; null at the end.")
    images: list[Image]

    @classmethod
    def of_page(cls, index: str, images: list[Image], start: int, total: int) -> Images:
        """The page that begins at position `start` of `total`."""
        end = start + len(images)
        return cls(
            index=index,
            total=total,
            start=start,
            next=end if images and end < total else None,
            images=images,
        )


class Failure(BaseModel):
    """An image that could not be loaded, and why."""

    id: str
    url: str
    kind: str
    message: str
    http_status: int | None
    attempts: int
    last_try: str

    @classmethod
    def from_record(cls, failure: FailureRecord) -> Failure:
        """One recorded failure."""
        return cls(
            id=failure.ref.id,
            url=failure.ref.url,
            kind=failure.kind,
            message=failure.message,
            http_status=failure.http_status,
            attempts=failure.attempts,
            last_try=failure.last_try,
        )


class Failures(BaseModel):
    """A page of an index's failures, in the order in which they first occurred."""

    index: str
    total: int
    start: int
    next: int | None
    by_kind: dict[str, int]
    failures: list[Failure]


class Index(BaseModel):
    """Facts about an index. `threshold`: its default threshold, or null."""

    name: str
    images: int
    failures: int
    model: str
    dim: int
    threshold: float | None
    takes_pictures: bool = Field(description="Whether it can be searched by URL and by upload.")
    writable: bool
    fields: list[str]
    segments: int
    byte_count: int


class Indexes(BaseModel):
    """The indexes of this server."""

    indexes: list[Index]


class Health(BaseModel):
    """That the server answers, and the number of requests in progress (`waiting`)."""

    status: Literal["ok"]
    version: str
    indexes: int
    waiting: int


class NewImage(RequestBody):
    """An image to add. `id` defaults to its URL."""

    url: Url = Field(examples=["https://shop.example/shoe.jpg"])
    id: Id | None = Field(None, examples=["sku-4711"])
    fields: dict[Annotated[str, StringConstraints(max_length=256)], str] = Field(
        default_factory=dict, max_length=64, examples=[{"title": "Shoe, brown"}]
    )

    def as_ref(self, client: str) -> ImageRef:
        """The image as a reference that `client` asks for."""
        return ImageRef(
            without_credentials(self.id or self.url), self.url, self.fields, client=client
        )


class NewImages(RequestBody):
    """Images to add in one commit."""

    images: list[NewImage] = Field(min_length=1, max_length=MAX_ADDED)
    on_duplicate: Literal["error", "skip", "replace"] = "error"


class Added(BaseModel):
    """Counts of the images of a request, and those that could not be loaded."""

    added: int
    skipped: int
    replaced: int
    failed: int
    failures: list[Failure]


class Removed(BaseModel):
    """The number of images (and failures) removed."""

    removed: int
