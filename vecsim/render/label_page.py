"""The page on which a person labels pairs as the same picture or different ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vecsim.render.html_page import Page
from vecsim.render.report import ReportHead, open_report

if TYPE_CHECKING:
    from vecsim.operations.calibrating.sampling import Sample
    from vecsim.render.report import Pictures, ReportWriter

LABEL_PAGE = Page(
    "label.html",
    ("report.css", "label.css"),
    ("shared.js", "label.js"),
)


def write_label_page(
    output: Path,
    head: ReportHead,
    drawn: Sample,
    queries: Pictures,
    references: Pictures,
    *,
    answers: str,
) -> ReportWriter:
    """Write the page, complete or not at all; returns its writer for the counts.

    `answers`: the name of the file that the page exports.
    """
    from vecsim.operations.calibrating.calibrate import COLUMNS
    from vecsim.operations.calibrating.counting import score_of

    strata = [[score_of(low), score_of(high)] for low, high in drawn.strata.tolist()]
    with open_report(output, head, LABEL_PAGE) as writer:
        writer.write_block({"strata": strata, "columns": list(COLUMNS), "answers": answers})
        writer.add(drawn.block, queries, references)
    return writer
