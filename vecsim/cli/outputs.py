"""Where results go: options that are checked before any work, and writing matches as asked for."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, in_shell, note, note_hidden
from vecsim.cli.run_record import current_run
from vecsim.errors import StorageError

if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.operations.matches import Matches
    from vecsim.operations.selection import MatchedImages
    from vecsim.render import MatchWriter, Progress
    from vecsim.render.report import ReportWriter


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where results go. Raises `UsageError` or `StorageError` for a file that cannot be written.

    `format`, `file`: of the rows. `report`: a page of pairs. `others`: further files that the
    command writes. `unmatched`: a list of the queries without a match.
    """

    format: str | None = None
    file: Path | None = None
    report: Path | None = None
    others: tuple[Path | None, ...] = ()
    unmatched: Path | None = None

    def __post_init__(self) -> None:
        from vecsim.render import choose_format

        choose_format(self.format, self.file)
        if self.unmatched is not None:
            if str(self.unmatched) == "-":
                raise click.UsageError("--unmatched -: name a file.")
            choose_format(None, self.unmatched)
        for file in (self.file, self.unmatched, *self.others):
            if file is not None and str(file) != "-":
                check_file(file)
        check_page("--report", self.report)

    @property
    def has_rows(self) -> bool:
        """Whether rows are written.

        On a terminal, a page that was asked for replaces them, unless a format or file was too.
        """
        return self.report is None or not self.is_default

    @property
    def is_default(self) -> bool:
        """Whether rows would go to a terminal without being asked for by an option."""
        from vecsim.render.destination import is_terminal

        return self.format is None and self.file is None and is_terminal(None)

    @property
    def rows_on_terminal(self) -> bool:
        """Whether rows are shown on a terminal, which leaves no place for a progress line."""
        from vecsim.render.destination import is_terminal

        return is_terminal(self.file) and self.has_rows


def as_output_options(values: dict[str, Any], *others: Path | None) -> OutputOptions:
    """Take the values of `output_options` and `report_option` out of `values`."""
    return OutputOptions(
        values.pop("format_"),
        values.pop("output"),
        values.pop("report", None),
        others,
        values.pop("unmatched", None),
    )


def written_to(file: Path | None) -> str:
    """Return the end of a message about rows: the file that they are in, if they are in one."""
    return f", written to {file}" if file is not None and str(file) != "-" else ""


def title_of(places: list[str]) -> str:
    """Return the heading of a page about the indexes or sources at `places`."""
    return " and ".join(Path(place).name or place for place in places)


def check_file(file: Path) -> None:
    """Raise `StorageError` if `file` could not be written."""
    if not file.parent.is_dir():
        raise StorageError(f"{file}: there is no folder {file.parent}. Create it first.")
    if file.is_dir():
        raise StorageError(f"{file}: this is a folder. Name a file in it.")
    if not os.access(file.parent, os.W_OK):
        raise StorageError(f"{file}: the folder {file.parent} cannot be written to.")


def check_page(option: str, page: Path | None, *other_suffixes: str) -> None:
    """Raise `UsageError` or `StorageError` if a page could not be written."""
    if page is None:
        return
    if page.suffix.lower() not in (".html", ".htm", *other_suffixes):
        ends = " or ".join((".html", *other_suffixes))
        raise click.UsageError(f"{option} {page}: the name must end in {ends}.")
    check_file(page)


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search compared, for its message and the heading of its report.

    `size`: how many images, in words. `facts`: short remarks. `queries` is None if the queries are
    in no index, and equals `references` if a set was matched with itself. `names`: of both sides.
    """

    title: str
    size: str
    facts: tuple[str, ...]
    references: Snapshot
    queries: Snapshot | None = None
    names: tuple[str, str] | None = None

    def open_report(
        self, found: Matches, file: Path | None
    ) -> AbstractContextManager[ReportWriter | None]:
        """Open a report of `found`; without a file there is none."""
        if file is None:
            return nullcontext()
        from vecsim.render.report import ReportHead, open_report

        itself = self.queries is self.references
        head = ReportHead(
            self.title,
            (self.size, *self.facts, self.references.fingerprint.model),
            found.query_fields,
            found.reference_fields,
            itself=itself,
            group="component" if itself else "query",
            names=self.names or ("query", "reference"),
            oriented=found.oriented,
        )
        return open_report(file, head)


def write_matches(
    found: Matches, outputs: OutputOptions, searched: Searched, progress: Progress | None = None
) -> int:
    """Write matches as rows and as a report, while they are found; return how many there are.

    `progress` is shown until everything is written.
    """
    from vecsim.operations.selection import MatchedImages

    count = 0
    matched: MatchedImages | None = None
    queries, references = searched.queries, searched.references
    with (
        progress or nullcontext(),
        _open_rows(found, outputs, searched.names) as rows,
        searched.open_report(found, outputs.report) as page,
    ):
        blocks = found.blocks()
        if outputs.unmatched is not None and queries is not None:
            matched = MatchedImages(queries, itself=queries is references)
            blocks = matched.watch(blocks)
        for block in blocks:
            count += len(block.pairs)
            if rows is not None:
                rows.write_block(block)
            if page is not None:
                page.add(block, queries.thumbnails if queries else None, references.thumbnails)
    output, report = outputs.file, outputs.report
    current_run().add("results", {"pairs": count, "output": output, "report": report})
    if queries is not None:
        note_not_turned(found.not_turned, queries)
    among = f" among {searched.size}" if queries is not None else ""
    note(f"{counted(count, 'pair')}{among}{written_to(outputs.file)}")
    note_hidden(found.hidden, "pair")
    if matched is not None and outputs.unmatched is not None:
        _write_unmatched(matched, found.query_fields, outputs.format, outputs.unmatched)
    if outputs.report is not None and page is not None:
        _note_report(outputs.report, page, queries, references)
    return count


def note_not_turned(count: int, snapshot: Snapshot) -> None:
    """Write how many images are compared in fewer orientations than were asked for."""
    if count:
        path = snapshot.folder.path
        note(
            f"{path}: {counted(count, 'image')} not stored in all these orientations, and compared "
            f"in the others only."
        )


def _open_rows(
    found: Matches, outputs: OutputOptions, names: tuple[str, str] | None
) -> AbstractContextManager[MatchWriter | None]:
    """Open a writer of the rows, if rows are written."""
    from vecsim.render import open_writer

    if not outputs.has_rows:
        return nullcontext()
    return open_writer(
        outputs.format,
        outputs.file,
        query_fields=found.query_fields,
        reference_fields=found.reference_fields,
        names=names,
        oriented=found.oriented,
    )


def _write_unmatched(
    matched: MatchedImages, fields: list[str], format_: str | None, file: Path
) -> None:
    """Write the images without a match as a list that can be read as a source.

    It is for spreadsheets if that is the `format_` of the rows, and its name that of a CSV file.
    """
    from vecsim.render import choose_format, write_rows

    if format_ != "excel" or choose_format(None, file) != "csv":
        format_ = None
    rows = (
        [ref.id, ref.url, *(ref.fields.get(name) for name in fields)] for ref in matched.unmatched()
    )
    write_rows(["id", "url", *fields], rows, format_, file)
    note(f"{counted(matched.count, 'image')} without a match, written to {file}")


def _note_report(
    report: Path, page: ReportWriter, queries: Snapshot | None, references: Snapshot
) -> None:
    """Write where the report is and what it lacks."""
    note(f"{report}: a page of {counted(page.count, 'pair')}")
    if page.left_out:
        note(
            f"It leaves out {counted(page.left_out, 'further pair')}: a higher --threshold gives a "
            f"complete report. The rows are complete."
        )
    note_missing_thumbnails(page, queries, references)


def note_missing_thumbnails(
    page: ReportWriter, queries: Snapshot | None, references: Snapshot | None
) -> None:
    """Write how many images have no picture on a page of pairs, and how to fetch them."""
    for count, snapshot in zip(page.without_picture, (queries, references), strict=True):
        if snapshot is not None:
            note_without_thumbnail(count, snapshot)


def note_without_thumbnail(count: int, snapshot: Snapshot) -> None:
    """Write how many images of an index have no thumbnail, and how to fetch them."""
    if count:
        images = f"{counted(count, 'image')} {'has' if count == 1 else 'have'}"
        path = snapshot.folder.path
        note(f"{images} no thumbnail: `vecsim thumbnails {in_shell(path)}` fetches them.")
