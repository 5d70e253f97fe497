"""What the JSON API takes and answers for searches.

The docstrings and descriptions of these classes are part of the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from vecsim.catalog import ImageRow
from vecsim.records import Embedded
from vecsim.web.schemas import Id, RequestBody, Threshold, Url, thumbnail_path

MAX_MATCHES = 500

OrientationsName = Literal["none", "mirror", "turns", "all", "parts"]
Orientations = Annotated[
    OrientationsName,
    Field(description="How the query is compared besides as it is: mirrored, turned, by parts."),
]
MatchCount = Annotated[
    int, Field(ge=1, le=MAX_MATCHES, description="Maximum number of matches, best first.")
]


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
