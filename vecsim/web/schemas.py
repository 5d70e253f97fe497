"""What the JSON API takes and gives, with the examples that its documentation shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_MATCHES = 500
MOST_LISTED = 200
MOST_ADDED = 100

Id = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
Threshold = Annotated[float, Field(ge=-1, le=1, description="Least score, inclusive.")]
Most = Annotated[int, Field(ge=1, le=MOST_MATCHES, description="Most matches, best first.")]


class _Given(BaseModel):
    """What a client sends: nothing is guessed, nothing is passed over."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class Problem(BaseModel):
    """What went wrong (RFC 9457): what and where (`detail`), and what to do (`advice`)."""

    type: str
    title: str
    status: int
    detail: str
    advice: str
    instance: str
    kind: str = Field(description="A word for programs: unknown-id, timeout, too-large, …")


class Image(BaseModel):
    """One image of an index."""

    id: str
    url: str = Field(description="Where it was found: a URL or a path; may be empty.")
    fields: dict[str, str] = Field(description="The other columns of its row.")
    width: int = Field(description="Pixels; 0 where not known.")
    height: int
    format: str
    byte_count: int
    final_url: str = Field(description="Where its URL led to.")
    added_at: str = Field(description="UTC, ISO 8601.")
    thumbnail: str = Field(description="Path of its thumbnail on this server; may answer 404.")


class Images(BaseModel):
    """A part of an index, in the order in which images were added."""

    index: str
    total: int
    start: int
    next: int | None = Field(description="The `start` of the next part; null at the end.")
    images: list[Image]


class Match(BaseModel):
    """One image like the one asked for. The score is their cosine, with six decimals."""

    id: str
    url: str
    score: float
    fields: dict[str, str]
    thumbnail: str


class Query(BaseModel):
    """The picture that was asked for. `id` is null unless it is one of the index's own."""

    id: str | None
    url: str
    width: int
    height: int
    format: str


class Matches(BaseModel):
    """What is like a picture: falling score, then id. `more`: there were more than `k`."""

    index: str
    query: Query
    threshold: float
    k: int
    more: bool
    matches: list[Match]


class Failure(BaseModel):
    """An image that could not be had, and why."""

    id: str
    url: str
    kind: str
    message: str
    http_status: int | None
    attempts: int
    last_try: str


class Failures(BaseModel):
    """A part of an index's failures, in the order in which they first came."""

    index: str
    total: int
    start: int
    next: int | None
    by_kind: dict[str, int]
    failures: list[Failure]


class Index(BaseModel):
    """What an index holds. `threshold` is null where it has none of its own."""

    name: str
    images: int
    failures: int
    model: str
    dim: int
    threshold: float | None
    takes_pictures: bool = Field(description="Whether one can search by URL and by upload.")
    writable: bool
    fields: list[str]
    segments: int
    byte_count: int


class Indexes(BaseModel):
    """The indexes that are served."""

    indexes: list[Index]


class Health(BaseModel):
    """Whether the server answers, and how busy it is."""

    status: Literal["ok"]
    version: str
    indexes: int
    waiting: int


class SearchUrl(_Given):
    """Search by the picture behind a URL."""

    url: Url = Field(examples=["https://shop.example/shoe.jpg"])
    threshold: Threshold = -1.0
    k: Most = 50


class NewImage(_Given):
    """An image to add. `id`: by default its URL."""

    url: Url = Field(examples=["https://shop.example/shoe.jpg"])
    id: Id | None = Field(None, examples=["sku-4711"])
    fields: dict[Annotated[str, StringConstraints(max_length=256)], str] = Field(
        default_factory=dict, max_length=64, examples=[{"title": "Shoe, brown"}]
    )


class NewImages(_Given):
    """Images to add in one commit."""

    images: list[NewImage] = Field(min_length=1, max_length=MOST_ADDED)
    on_duplicate: Literal["error", "skip", "replace"] = "error"


class Added(BaseModel):
    """What became of the images: how many, and those that could not be had."""

    added: int
    skipped: int
    replaced: int
    failed: int
    failures: list[Failure]


class Removed(BaseModel):
    """How many images (and failures) were removed."""

    removed: int
