"""The review: one HTML file of groups with their pictures, on which a person decides what to keep.

Groups are written while they are found. What was decided is exported by the page as a list with the
columns of `vecsim.render.columns.cluster_columns`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecsim.render.columns import Column, cluster_columns, cluster_rows
from vecsim.render.destination import open_output
from vecsim.render.html_page import Page, PageWriter, made_by
from vecsim.render.report import Pictures, link_to

if TYPE_CHECKING:
    from vecsim.results import Cluster

MAX_IMAGES = 200_000
"""A browser keeps all groups in memory. The page says how many it leaves out."""

MAX_PICTURE_BYTES = 36_000_000
"""Bytes of all pictures of a page, so that it stays below 60 MB. Of further images the page
shows the original, if it is a file of this machine."""

REVIEW_SCRIPTS = (
    "shared.js",
    "paging.js",
    "review_model.js",
    "review_card.js",
    "compare.js",
    "review.js",
)
"""The scripts of a review, in a file or on a page of the server. One more gives it its groups."""

REVIEW = Page(
    "review.html",
    ("review.css",),
    (*REVIEW_SCRIPTS, "review_file.js"),
    skip_to="groups",
    paged=True,
    local_pictures=True,
)


@dataclass(frozen=True, slots=True)
class ReviewHead:
    """The heading of a review: `facts` are short remarks, `fields` the images' carried fields.

    `oriented`: whether images have orientations, in which they are shown.
    """

    title: str
    facts: Sequence[str] = ()
    fields: Sequence[str] = ()
    oriented: bool = False


def head_data(columns: Sequence[Column], fields: Sequence[str]) -> dict[str, Any]:
    """Return what the script of a review needs to know about its groups.

    `columns`: of the rows of a group and of the list that the page exports.
    """
    named = [[column.name, column.kind] for column in columns]
    return {"columns": named, "fields": [name for name, _ in named[len(named) - len(fields) :]]}


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Facts for the review of a group, beside its rows.

    `pair_scores`: of all pairs of its images, the first with each later one, then the second, and
    so on; empty for a large group. `details`: short remarks on each image.
    """

    pair_scores: Sequence[float] = ()
    details: Sequence[Sequence[str]] = ()


def group_data(rows: Sequence[Sequence[Any]], group: Cluster, facts: GroupFacts) -> dict[str, Any]:
    """Return a group as the script of a review reads it; `rows` in the order of the columns."""
    return {
        "rows": rows,
        "links": [link_to(ref.url) for ref in group.members],
        "details": facts.details,
        "pairs": [round(score * 1_000_000) for score in facts.pair_scores],
    }


class ReviewWriter:
    """Writes groups; made by `open_review`.

    `count`: groups written. `left_out`: groups over `MAX_IMAGES`. `without_picture`: images without
    a thumbnail. `over_limit`: images whose thumbnail is left out for `MAX_PICTURE_BYTES`.
    """

    def __init__(self, write: Callable[[bytes], object], head: ReviewHead) -> None:
        self._page = PageWriter(write, REVIEW, head.title, head.facts)
        self._fields = head.fields
        self._images = 0
        self._picture_bytes = 0
        self.count = 0
        self.left_out = 0
        self.without_picture = 0
        self.over_limit = 0
        columns = cluster_columns(head.fields, oriented=head.oriented)
        self._page.write_block({"head": head_data(columns, head.fields)})

    def add(self, group: Cluster, facts: GroupFacts, pictures: Pictures) -> None:
        """Write a group. `pictures`: gives the thumbnails."""
        if self._images + len(group) > MAX_IMAGES:
            self.left_out += 1
            return
        self.count += 1
        self._images += len(group)
        rows = list(cluster_rows(self.count + self.left_out, group, self._fields))
        data = group_data(rows, group, facts)
        found = pictures(group.keys)
        self.without_picture += len(group) - len(found)
        data["pictures"] = [self._picture(found.get(key, b"")) for key in group.keys]
        self._page.write_block({"groups": [data]})

    def _picture(self, webp: bytes) -> str:
        if self._picture_bytes + len(webp) > MAX_PICTURE_BYTES:
            self.over_limit += 1
            return ""
        self._picture_bytes += len(webp)
        return base64.b64encode(webp).decode("ascii")

    def finish(self) -> None:
        """Write the end mark and close the page."""
        self._page.finish(self.count, self.left_out)


@contextmanager
def open_review(output: Path, head: ReviewHead) -> Iterator[ReviewWriter]:
    """Open a review; the file appears when the block ends without an error."""
    with open_output(output) as stream:
        writer = ReviewWriter(stream.write, replace(head, facts=[*head.facts, made_by()]))
        yield writer
        writer.finish()
