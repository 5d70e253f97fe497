"""Request and response bodies of the JSON API, and how responses are made from vecsim's records.

The docstrings and descriptions of these classes are part of the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vecsim.catalog import ImageRow
from vecsim.records import Embedded, ImageRef
from vecsim.records import Failure as FailureRecord
from vecsim.urls import without_credentials

MAX_MATCHES = 500
MAX_LISTED = 200
MAX_ADDED = 100

# NUL ends a text in other programs that read the catalog, and no path or URL has one.
_NO_NUL = r"^[^\x00]*$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=_NO_NUL)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=_NO_NUL)]
Threshold = Annotated[float, Field(ge=-1, le=1, description="Minimum score, inclusive.")]
OrientationsName = Literal["none", "mirror", "turns", "all", "parts"]
Orientations = Annotated[
    OrientationsName,
    Field(description="How the query is compared besides as it is: mirrored, turned, by parts."),
]
MatchCount = Annotated[
    int, Field(ge=1, le=MAX_MATCHES, description="Maximum number of matches, best first.")
]


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


class Match(BaseModel):
    """An image similar to the query. The score is their cosine, with six decimals."""

    id: str
    url: str
    score: float
    orientation: str | None = Field(
        description="How the query is to be turned to have this score: degrees clockwise, after "
        "mirroring if it says so; null if it is compared as it is only."
    )
    fields: dict[str, str]
    thumbnail: str

    @classmethod
    def from_row(cls, index_path: str, row: ImageRow) -> Match:
        """A match with the image of a catalog row and score 0. `index_path`: see `api_path`."""
        return cls(
            id=row.ref.id,
            url=row.ref.url,
            score=0.0,
            orientation=None,
            fields=dict(row.ref.fields),
            thumbnail=thumbnail_path(index_path, row.ref.id),
        )


class Query(BaseModel):
    """The query image. `id` is null unless it is an image of the index."""

    id: str | None
    url: str
    width: int
    height: int
    format: str

    @classmethod
    def from_image(cls, image: ImageRow | Embedded) -> Query:
        """The query that an image of the index is, or a picture sent by the client."""
        return cls(
            id=None if isinstance(image, Embedded) else image.ref.id,
            url=image.ref.url,
            width=image.facts.width,
            height=image.facts.height,
            format=image.facts.format,
        )


class Matches(BaseModel):
    """The matches of a query by descending score, then id. `more`: there are more than `k`."""

    index: str
    query: Query
    threshold: float
    k: int
    orientations: str
    more: bool
    matches: list[Match]


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


class SearchUrl(RequestBody):
    """A search by the picture at a URL."""

    url: Url = Field(examples=["https://shop.example/shoe.jpg"])
    threshold: Threshold = -1.0
    k: MatchCount = 50
    orientations: Orientations = "turns"


class SearchUpload(BaseModel):
    """The parameters of a search by an uploaded picture."""

    threshold: Threshold = -1.0
    k: MatchCount = 50
    orientations: Orientations = "turns"


class SearchById(BaseModel):
    """The parameters of a search by the id of an image."""

    id: Id = Field(description="The id of an image.", examples=["3"])
    threshold: Threshold = -1.0
    k: MatchCount = 50
    orientations: OrientationsName = Field(
        "none",
        description="In which orientations the query is compared; of an image of the index, "
        "those that the index stores.",
    )


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
