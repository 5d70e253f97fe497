"""The report: one HTML file of pairs with their pictures, written while the pairs are found.

Each picture is written once; only the numbers of the images written so far are kept in memory. The
page on which a person labels pairs, as the same picture or different ones, has the same data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecsim import paths
from vecsim.orientations import NAMES
from vecsim.render.columns import match_columns
from vecsim.render.destination import open_output
from vecsim.render.html_page import Page, PageWriter, made_by
from vecsim.render.terminal import counted

if TYPE_CHECKING:
    from vecsim.catalog import ImageRow
    from vecsim.index import Snapshot
    from vecsim.index.match_blocks import MatchBlock
    from vecsim.operations.calibrating.sampling import Sample

MAX_PAIRS = 200_000
"""A browser keeps all pairs of a report in memory. The page says how many it leaves out."""

_PAIRS_PER_BLOCK = 1_000

REPORT = Page(
    "report.html",
    ("report.css",),
    ("shared.js", "paging.js", "report.js"),
    skip_to="pairs",
    paged=True,
)
LABEL_PAGE = Page("label.html", ("report.css", "label.css"), ("shared.js", "label.js"))

_LOCAL_FILE = re.compile(r"file:(//(localhost)?)?/(?![/\\])[^\\]*", re.IGNORECASE)

Pictures = Callable[[Sequence[int]], Mapping[int, bytes]]
"""From image keys to small JPEG files, for images that have a thumbnail."""


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The heading of a report and how it shows its pairs.

    `facts`: short remarks below the title. `itself`: a set matched with itself, so that queries and
    references are the same images. `group`: how pairs are grouped at first: "query", "component" or
    "none". `names`: of the two sides, also used for the columns of the exported CSV. `oriented`:
    whether pairs have orientations, in which the pictures of queries are then shown.
    """

    title: str
    facts: Sequence[str] = ()
    query_fields: Sequence[str] = ()
    reference_fields: Sequence[str] = ()
    itself: bool = False
    group: str = "query"
    names: tuple[str, str] = ("query", "reference")
    oriented: bool = False


class ReportWriter:
    """Writes blocks of pairs; made by `open_report`.

    `count`: pairs written. `left_out`: pairs over `MAX_PAIRS`. `without_picture`: images without a
    thumbnail, queries and references; all count as queries where a set is matched with itself.
    """

    def __init__(
        self, write: Callable[[bytes], object], head: ReportHead, page: Page = REPORT
    ) -> None:
        self._page = PageWriter(write, page, head.title, head.facts)
        self._head = head
        self._image_count = 0
        self._numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.count = 0
        self.left_out = 0
        self.without_picture = [0, 0]
        columns = match_columns(
            head.query_fields, head.reference_fields, head.names, oriented=head.oriented
        )
        described: dict[str, Any] = {
            "columns": [column.name for column in columns],
            "fields": [list(head.query_fields), list(head.reference_fields)],
            "names": list(head.names),
            "group": head.group,
        }
        if head.oriented:
            described["orientations"] = list(NAMES)
        self.write_block({"head": described})

    def add(self, block: MatchBlock, queries: Pictures | None, references: Pictures) -> None:
        """Write pairs, and those of their images that were not written before.

        `queries`, `references`: the sources of thumbnails; `queries` is None if the block itself
        holds the thumbnails of its queries.
        """
        if queries is None:
            queries = partial(_from_block, block.query_thumbnails)
        if not self._head.itself:
            self._numbers[0].clear()  # the keys of queries are unique within a block only
        pairs = block.pairs
        remaining = max(0, MAX_PAIRS - self.count)
        self.left_out += max(0, len(pairs) - remaining)
        for start in range(0, min(len(pairs), remaining), _PAIRS_PER_BLOCK):
            stop = min(start + _PAIRS_PER_BLOCK, remaining)
            keys = (pairs.query[start:stop].tolist(), pairs.reference[start:stop].tolist())
            scores = pairs.score[start:stop].tolist()
            turned = pairs.orientations[start:stop].tolist()
            images = [*self._new(0, keys[0], block.queries, queries)]
            side = 0 if self._head.itself else 1
            images += self._new(side, keys[1], block.references, references)
            flat: list[int] = []
            for query, reference, score in zip(*keys, scores, strict=True):
                numbers = (self._numbers[0][query], self._numbers[side][reference])
                flat += [*numbers, round(score * 1_000_000)]
            self.count += len(scores)
            written: dict[str, Any] = {"images": images, "pairs": flat}
            self.write_block(written | ({"turned": turned} if self._head.oriented else {}))

    def write_block(self, value: Mapping[str, Any]) -> None:
        """Write a JSON object that the page's script reads."""
        self._page.write_block(value)

    def finish(self) -> None:
        """Write the end mark and close the page."""
        self._page.finish(self.count, self.left_out)

    def _new(
        self, side: int, keys: Iterable[int], rows: Mapping[int, ImageRow], pictures: Pictures
    ) -> Iterator[list[Any]]:
        """Yield the images of `keys` that were not written yet; each gets the next number."""
        numbers = self._numbers[side]
        new = [key for key in dict.fromkeys(keys) if key not in numbers]
        found = pictures(new) if new else {}
        head = self._head
        fields = head.reference_fields if side else head.query_fields
        for key in new:
            numbers[key] = self._image_count
            self._image_count += 1
            row = rows[key]
            picture = found.get(key, b"")
            self.without_picture[side] += not picture
            yield [
                side,
                row.ref.id,
                row.ref.url,
                link_to(row.ref.url),
                row.facts.width,
                row.facts.height,
                row.facts.byte_count,
                [row.ref.fields.get(name) for name in fields],
                base64.b64encode(picture).decode("ascii"),
            ]


@contextmanager
def open_report(output: Path, head: ReportHead, page: Page = REPORT) -> Iterator[ReportWriter]:
    """Open a report; the file appears when the block ends without an error.

    `page`: another page that reads the same data.
    """
    with open_output(output) as stream:
        writer = ReportWriter(stream.write, replace(head, facts=[*head.facts, made_by()]), page)
        yield writer
        writer.finish()


def write_label_page(
    output: Path,
    head: ReportHead,
    drawn: Sample,
    queries: Pictures,
    references: Pictures,
    *,
    answers: str,
) -> ReportWriter:
    """Write the page on which a person labels pairs; returns its writer for the counts.

    The file is complete or not there. `answers`: the name of the file that the page exports.
    """
    from vecsim.operations.calibrating.calibrate import COLUMNS
    from vecsim.operations.calibrating.counting import score_of

    strata = [[score_of(low), score_of(high)] for low, high in drawn.strata.tolist()]
    with open_report(output, head, LABEL_PAGE) as writer:
        writer.write_block({"strata": strata, "columns": list(COLUMNS), "answers": answers})
        writer.add(drawn.block, queries, references)
    return writer


def write_pairs_to_label(
    output: Path,
    title: str,
    drawn: Sample,
    sides: tuple[Snapshot, Snapshot],
    *,
    earlier: int = 0,
) -> tuple[ReportWriter, str]:
    """Write the page of pairs of two snapshots to label; `title` names them.

    `earlier`: how many files of answers there are. Returns the writer of the page and the name of
    the file that it exports: each page has its own; otherwise browsers save "answers (1).csv".
    """
    queries, references = sides
    answers = f"answers-{earlier + 1}.csv" if earlier else "answers.csv"
    head = ReportHead(
        f"Same or different? {title}",
        (counted(len(drawn.block.pairs), "pair"), references.fingerprint.model),
        queries.field_names,
        references.field_names,
        itself=queries is references,
        group="none",
    )
    written = write_label_page(
        output, head, drawn, queries.thumbnails, references.thumbnails, answers=answers
    )
    return written, answers


def _from_block(pictures: Mapping[int, bytes], keys: Sequence[int]) -> Mapping[int, bytes]:
    return pictures


def link_to(url: str) -> str:
    """Return the link to an image: http(s), or a file of this machine, else an empty text.

    A file of another host (`file://host/share`, `//host/share`) would make Windows send the name
    and password hash of its user there.
    """
    if url.lower().startswith(("http://", "https://")):
        return url
    if url.lower().startswith("file:"):
        return url if _LOCAL_FILE.fullmatch(url) else ""
    return paths.link_to_file(url)
