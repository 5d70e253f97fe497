"""Writing matches to where they were asked for: as rows, and as a page with pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.options import PATH
from vecsim.errors import StorageError

if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.operations.matching import Matches
    from vecsim.render import Progress
    from vecsim.render.report import ReportHead, ReportWriter

report_option = click.option(
    "--report",
    type=PATH,
    metavar="FILE.html",
    help="Write a page with the pictures side by side, one file that opens anywhere.",
)


def check_output(format_: str | None, output: Path | None, *others: Path | None) -> None:
    """Raise `UsageError` or `StorageError` if results could not be written in the end."""
    from vecsim.render import choose_format

    choose_format(format_, output)
    for file in (output, *others):
        if file is not None and str(file) != "-":
            check_file(file)


def check_file(file: Path) -> None:
    """Raise `StorageError` if a file of that name could not be written."""
    if not file.parent.is_dir():
        raise StorageError(f"{file}: there is no folder {file.parent}. Make it first.")
    if file.is_dir():
        raise StorageError(f"{file}: that is a folder. Name a file in it.")
    if not os.access(file.parent, os.W_OK):
        raise StorageError(f"{file}: the folder {file.parent} cannot be written to.")


def check_report(report: Path | None, option: str = "--report") -> None:
    """Raise an error if the page could not be written in the end."""
    if report is None:
        return
    if report.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{option} {report}: give it a name that ends in .html.")
    check_file(report)


def write_matches(
    found: Matches,
    format_: str | None,
    output: Path | None,
    names: tuple[str, str] | None,
    *,
    report: Path | None,
    head: Callable[[], ReportHead],
    queries: Snapshot | None,
    references: Snapshot,
    what: str = "",
    progress: Progress | None = None,
) -> None:
    """Write `found` as rows and, if `report` is given, as a page; tell how many there are.

    With a page and no other wish, a person at a terminal is not shown the rows as well.
    `queries`: None where they come from no index. `what`: " among so many images", or nothing.
    `progress`: what `found` tells how far it is; shown until all is written.
    """
    from vecsim.operations.matching import matches_of
    from vecsim.render import open_writer

    count = 0
    with ExitStack() as opened:
        writer = page = None
        if progress is not None:
            opened.enter_context(progress)
        if not _only_page(format_, output, report):
            writer = opened.enter_context(
                open_writer(
                    format_,
                    output,
                    query_fields=found.query_fields,
                    reference_fields=found.reference_fields,
                    names=names,
                )
            )
        if report is not None:
            from vecsim.render.report import open_report

            page = opened.enter_context(open_report(report, head()))
        for block in found.blocks():
            count += len(block.pairs)
            if writer is not None:
                writer.write_many(matches_of(block))
            if page is not None:
                page.add(block, queries.thumbnails if queries else None, references.thumbnails)
    place = f", written to {output}" if output is not None and str(output) != "-" else ""
    note(f"{counted(count, 'pair')}{what}{place}")
    if report is not None and page is not None:
        tell_report(report, page, queries, references)


def report_head(*values: Any, **named: Any) -> ReportHead:
    """Make a `ReportHead`; its module is imported only by commands that write a report."""
    from vecsim.render.report import ReportHead

    return ReportHead(*values, **named)


def rows_on_screen(format_: str | None, output: Path | None, report: Path | None) -> bool:
    """Whether a person sees the rows as they come; then there is no place for a line below."""
    from vecsim.render.destination import is_terminal

    return is_terminal(output) and not _only_page(format_, output, report)


def _only_page(format_: str | None, output: Path | None, report: Path | None) -> bool:
    from vecsim.render.destination import is_terminal

    return report is not None and format_ is None and output is None and is_terminal(output)


def tell_report(
    report: Path, page: ReportWriter, queries: Snapshot | None, references: Snapshot
) -> None:
    """Tell where the page is, and what it lacks."""
    note(f"{report}: a page of {counted(page.count, 'pair')}")
    if page.left_out:
        note(
            f"It leaves out {counted(page.left_out, 'further pair')}: ask for a higher --threshold "
            f"to see all that are left. The rows are complete."
        )
    tell_missing(page, queries, references)


def tell_missing(page: ReportWriter, queries: Snapshot | None, references: Snapshot | None) -> None:
    """Tell how many images have no picture on the page, and how to get them."""
    for count, snapshot in zip(page.without_picture, (queries, references), strict=True):
        if count and snapshot is not None:
            images = f"{counted(count, 'image')} {'has' if count == 1 else 'have'}"
            place = snapshot.folder.path
            note(f"{images} no picture on it: `vecsim thumbnails {place}` fetches them.")
