"""Bodies of the JSON API's requests for reviewing groups, and of their responses.

The docstrings and descriptions of these classes are part of the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from vecsim.operations.applying import Outcome
from vecsim.web.schemas import Id, RequestBody, Threshold

MAX_DECIDED = 1_000
MAX_CHOICES = 200_000

Verdict = Literal["same", "different"]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=4096)]

Chain = list[str]
"""Pictures judged the same one after the other, whose first and last were judged different."""


class Group(BaseModel):
    """A group of near-duplicates."""

    rows: list[list[str | int | float | None]] = Field(
        description="One for each image, in the order of `columns`; the proposed one to keep first."
    )
    links: list[str] = Field(description="Of each image: its URL if it can be opened, or empty.")
    details: list[list[str]] = Field(description="Remarks on each image: date, camera.")
    pairs: list[int] = Field(
        description="Scores of all pairs in millionths, the first image with each later one, then "
        "the second, and so on; empty for a large group."
    )
    decided: list[tuple[int, int, str]] = Field(
        description="What was decided about pairs of the group: positions in `rows`; `same` or "
        "`different`."
    )


class Groups(BaseModel):
    """A part of an index's groups of near-duplicates."""

    index: str
    version: str = Field(description="Changes when the index or its decisions change.")
    threshold: float
    total: int
    left_out: int = Field(description="Further groups, which the server does not keep in memory.")
    start: int
    next: int | None = Field(description="The `start` of the next part; null at the end.")
    columns: list[tuple[str, str]] = Field(description="Name and kind of each column of `rows`.")
    fields: list[str] = Field(description="The columns that the images' sources had.")
    groups: list[Group]


# -- decisions -----------------------------------------------------------------------------------


class DecidedPair(RequestBody):
    """What was decided about two images. A `verdict` of null takes back what was decided."""

    first: Id = Field(examples=["1"])
    second: Id = Field(examples=["3"])
    verdict: Verdict | None = Field(examples=["same"])


class NewDecisions(RequestBody):
    """Decisions about pairs of images."""

    decisions: list[DecidedPair] = Field(min_length=1, max_length=MAX_DECIDED)


class Decided(BaseModel):
    """Counts of the pairs of a request, and what contradicts itself now."""

    stored: int = Field(description="New, or decided otherwise before.")
    known: int = Field(description="Stored already.")
    forgotten: int = Field(description="Taken back.")
    unknown: int = Field(description="With an image that the index does not have.")
    without_bytes: int = Field(description="With an image that came as a vector.")
    identical: int = Field(description="Of images with the same bytes: nothing to decide.")
    contradictions: list[Chain]


class Decision(BaseModel):
    """What was decided about two pictures. `first`, `second`: ids of images that have them."""

    first: str | None
    second: str | None
    first_sha256: str
    second_sha256: str
    verdict: str = Field(description="`same` or `different`.")
    decided_at: str = Field(description="UTC, ISO 8601.")


class Decisions(BaseModel):
    """A part of an index's decisions, in the order in which each pair was first decided."""

    index: str
    total: int
    start: int
    next: int | None
    decisions: list[Decision]
    contradictions: list[Chain] = Field(
        description="Each a chain of ids: every image was judged the same as the next one, and the "
        "first different from the last."
    )


# -- files ---------------------------------------------------------------------------------------


class Choice(RequestBody):
    """Whether to keep an image of a group."""

    group: GroupName
    id: Id
    keep: bool


class NewChoices(RequestBody):
    """Which images of each group to keep, and what to do with the files of the others.

    Without `plan` nothing is changed. The response says what would be done, and has the `plan` with
    which the same request does it.
    """

    choices: list[Choice] = Field(min_length=1, max_length=MAX_CHOICES)
    method: Literal["trash", "move", "hardlink", "symlink", "reflink"]
    folder: Path | None = Field(None, description="Absolute path; for the method `move` only.")
    threshold: Threshold | None = None
    plan: Annotated[str, StringConstraints(max_length=64)] | None = None


class FileOutcome(BaseModel):
    """What became, or would become, of one image that is given up."""

    status: str = Field(description="`planned`, `done`, `skipped`, or `url`: it is no local file.")
    id: str
    url: str
    kept: str | None = Field(description="The id of the image that is kept for it.")
    score: float | None
    target: str = Field(description="Where the file is now; empty for a link.")
    why: str = Field(description="Why it was skipped.")

    @classmethod
    def from_record(cls, outcome: Outcome) -> FileOutcome:
        """The outcome of one image."""
        return cls(
            status=outcome.status,
            id=outcome.image.id,
            url=outcome.image.url,
            kept=outcome.kept.id if outcome.kept else None,
            score=outcome.score,
            target=outcome.target,
            why=outcome.why,
        )


class Applied(BaseModel):
    """What was done, or would be done, with the files of images that are given up."""

    dry_run: bool
    plan: str = Field(description="With it, the same request does what this dry run says.")
    journal: str | None = Field(description="The record of each step, with which it can be undone.")
    removed: int = Field(description="Images that left the index with their files.")
    files: list[FileOutcome]


class JournalName(RequestBody):
    """The journal of an earlier request, as its response named it."""

    journal: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class NotReturned(BaseModel):
    """A file that could not be brought back, and why."""

    path: str
    why: str


class Undone(BaseModel):
    """What was brought back."""

    restored: int = Field(description="Files at their old place.")
    returned: int = Field(description="Images that are in the index again.")
    failed: list[NotReturned]
    lost_indexes: list[str] = Field(description="Why images could not return to the index.")
