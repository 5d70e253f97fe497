"""Check where results go, and write matches there: as rows and as an HTML report."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, note
from vecsim.errors import StorageError

if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.operations.matching import Matches
    from vecsim.render import Progress
    from vecsim.render.report import ReportHead, ReportWriter


def check_output(format_: str | None, output: Path | None, *others: Path | None) -> None:
    """Raise `UsageError` or `StorageError` if results could not be written."""
    from vecsim.render import choose_format

    choose_format(format_, output)
    for file in (output, *others):
        if file is not None and str(file) != "-":
            check_file(file)


def check_file(file: Path) -> None:
    """Raise `StorageError` if `file` could not be written."""
    if not file.parent.is_dir():
        raise StorageError(f"{file}: there is no folder {file.parent}. Create it first.")
    if file.is_dir():
        raise StorageError(f"{file}: this is a folder. Name a file in it.")
    if not os.access(file.parent, os.W_OK):
        raise StorageError(f"{file}: the folder {file.parent} cannot be written to.")


def check_report(report: Path | None, option: str = "--report") -> None:
    """Raise `UsageError` or `StorageError` if a page could not be written."""
    if report is None:
        return
    if report.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{option} {report}: the name must end in .html.")
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
    """Write `found` as rows and, if `report` is given, as a page; then write how many there are.

    On a terminal, a page that was asked for replaces the rows, unless their format or file was
    given too. `queries`: None if they are in no index. `what`: " among N images", or nothing.
    `progress`: shown until everything is written.
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
    """Whether rows are shown on a terminal, which leaves no place for a progress line."""
    from vecsim.render.destination import is_terminal

    return is_terminal(output) and not _only_page(format_, output, report)


def _only_page(format_: str | None, output: Path | None, report: Path | None) -> bool:
    from vecsim.render.destination import is_terminal

    return report is not None and format_ is None and output is None and is_terminal(output)


def tell_report(
    report: Path, page: ReportWriter, queries: Snapshot | None, references: Snapshot
) -> None:
    """Write where the report is and what it lacks."""
    note(f"{report}: a page of {counted(page.count, 'pair')}")
    if page.left_out:
        note(
            f"It leaves out {counted(page.left_out, 'further pair')}: a higher --threshold gives a "
            f"complete report. The rows are complete."
        )
    tell_missing(page, queries, references)


def tell_missing(page: ReportWriter, queries: Snapshot | None, references: Snapshot | None) -> None:
    """Write how many images have no picture on a page, and how to fetch them."""
    for count, snapshot in zip(page.without_picture, (queries, references), strict=True):
        if count and snapshot is not None:
            images = f"{counted(count, 'image')} {'has' if count == 1 else 'have'}"
            place = snapshot.folder.path
            note(f"{images} no thumbnail: `vecsim thumbnails {place}` fetches them.")
