"""The commands apply and undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import (
    LISTED,
    SOME_FAILED,
    counted,
    in_shell,
    note,
    without_progress,
    write_first,
)
from vecsim.cli.options import PATH, output_options
from vecsim.cli.outputs import as_output_options, check_file
from vecsim.cli.parameters import command, complete_index, options_under
from vecsim.cli.run_record import current_run
from vecsim.cli.wait_options import wait_option

if TYPE_CHECKING:
    from vecsim.operations.applying import ApplyProgress, ApplyReport, ApplyRequest, UndoReport

_method = options_under("What to do with the files that are given up")

_DONE = {
    "trash": "put into the trash",
    "move": "moved",
    "hardlink": "replaced by hard links",
    "symlink": "replaced by symbolic links",
    "reflink": "replaced by clones that share their blocks",
    "delete": "deleted",
}


@command()
@click.argument("decisions", type=PATH)
@click.option(
    "--index",
    type=PATH,
    required=True,
    shell_complete=complete_index,
    help="What the list was made from: an index, or a list or folder that has one.",
)
@click.option(
    "-t",
    "--threshold",
    type=float,
    help="Minimum score of a file with the kept one [default: of the index, else its model].",
)
@click.option(
    "--journal", type=PATH, help="Record of each step [default: DECISIONS, ending in .journal]."
)
@click.option(
    "--url-list",
    type=PATH,
    help="Write images that are given up, but are no local files, to this CSV file.",
)
@_method("--dry-run", is_flag=True, help="Only report what would be done (the default).")
@_method("--trash", is_flag=True, help="Put them into the desktop's trash.")
@_method(
    "--move-to", "folder", type=PATH, metavar="FOLDER", help="Move them, with their subfolders."
)
@_method("--hardlink", is_flag=True, help="Replace them by hard links, if identical.")
@_method(
    "--symlink",
    is_flag=True,
    help="Replace them by symbolic links, if identical.",
)
@_method(
    "--reflink",
    is_flag=True,
    help="Let them share disk space, if identical (Btrfs, XFS).",
)
@_method("--delete", is_flag=True, help="Delete them. Needs --yes; cannot be undone.")
@_method("--yes", is_flag=True, help="Confirm --delete.")
@wait_option
@output_options
def apply(decisions: Path, index: Path, **values: Any) -> int:
    """Act on the files that a list of groups gives up.

    DECISIONS is a list with the columns id, group and keep, such as `vecsim cluster --output`
    writes. Files with keep=no are given up. Nothing is changed unless you say what to do with them.

    The whole list is checked first. Each file is left as it is if it or the kept file is missing or
    has changed since it was indexed, or if both are one file. Files that leave their place leave
    the index too. `vecsim undo` takes it all back, except --delete. URLs are never acted on.

    \b
    Examples:
      vecsim apply groups.csv --index indexes/pictures
      vecsim apply groups.csv --index ~/Pictures --move-to ~/duplicates
      vecsim apply groups.csv --index indexes/pictures --trash
      vecsim apply groups.csv --index indexes/pictures --delete --yes
    """
    from vecsim.operations.applying import apply_choices, read_choices
    from vecsim.operations.source_cache import kept_index
    from vecsim.render import write_rows
    from vecsim.render.columns import (
        outcome_columns,
        outcome_rows,
        web_image_columns,
        web_image_rows,
    )

    url_list: Path | None = values.pop("url_list")
    outputs = as_output_options(values, url_list)
    request = _request(decisions, values)
    index = kept_index(index)
    if request.acts and request.method == "delete":
        note("Deleted files cannot be brought back.")
    with _shown_progress() as progress:
        report = apply_choices(index, read_choices(decisions), request, progress)
    write_rows(outcome_columns(), outcome_rows(report.outcomes), outputs.format, outputs.file)
    if url_list is not None:
        urls = [outcome for outcome in report.outcomes if outcome.status == "url"]
        kind = "excel" if outputs.format == "excel" else "csv"
        write_rows(web_image_columns(), web_image_rows(urls), kind, url_list)
    counts = Counter(outcome.status for outcome in report.outcomes)
    current_run().facts |= {"files": dict(counts), "journal": report.journal}
    _note_applied(report, request, index, url_list)
    return SOME_FAILED if request.acts and report.count("skipped") else 0


def _request(decisions: Path, values: dict[str, Any]) -> ApplyRequest:
    """Make the request; without a method, or with --delete but without --yes, nothing is done."""
    from vecsim.operations.applying import ApplyRequest

    folder = values["folder"]
    given = [name for name in _DONE if values.get(name)] + ["move-to"] * (folder is not None)
    if len(given) > 1:
        raise click.UsageError(f"choose one of --{' and --'.join(given)}.")
    method = ("move" if folder is not None else given[0]) if given else "none"
    journal = values["journal"] or decisions.with_suffix(".journal")
    if journal == decisions:
        raise click.UsageError(f"--journal {journal}: this is the list itself.")
    confirmed = method != "delete" or values["yes"]
    request = ApplyRequest(
        method,
        folder,
        values["threshold"],
        journal,
        dry_run=values["dry_run"] or not confirmed,
        wait=values["wait"],
    )
    if request.acts:
        check_file(journal)
    return request


@contextmanager
def _shown_progress() -> Iterator[ApplyProgress]:
    """Show how many files were processed, of how many."""
    from vecsim.render import Progress

    with Progress(quiet=without_progress()) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done)

        yield progress


def _note_applied(
    report: ApplyReport, request: ApplyRequest, index: Path, url_list: Path | None
) -> None:
    skipped, urls = report.count("skipped"), report.count("url")
    if request.acts:
        note(f"{counted(report.count('done'), 'file')} {_DONE[request.method]}.")
    else:
        what = _DONE.get(request.method, "given up")
        note(f"{counted(report.count('planned'), 'file')} would be {what}. Nothing was changed.")
    if skipped:
        _note_reasons(report, skipped)
    if urls:
        where = "is not a local file" if urls == 1 else "are not local files"
        listed = f"see {url_list}" if url_list else "list with --url-list FILE"
        note(f"{counted(urls, 'image')} {where}: {listed}.")
    if report.removed:
        note(f"{index}: {report.removed:,} removed.")
    if request.acts and report.count("done"):
        if request.method != "delete":
            note(f"Take it back with: vecsim undo {in_shell(report.journal)}")
    elif request.method == "delete" and not request.acts:
        note("To delete them, use --delete --yes. Deleted files cannot be brought back.")
    elif request.method == "none" and report.count("planned"):
        note(
            "Choose what to do: --move-to FOLDER, --trash, --hardlink, --symlink, --reflink, or "
            "--delete --yes."
        )


def _note_reasons(report: ApplyReport, skipped: int) -> None:
    """Write why images were left as they are, the most frequent reasons first."""
    reasons = Counter(each.why for each in report.outcomes if each.status == "skipped")
    note(f"{counted(skipped, 'image')} left unchanged:")
    for why, count in reasons.most_common(LISTED):
        note(f"  {count:,}: {why}")
    if len(reasons) > LISTED:
        note("  … the column `why` has the others.")


@command()
@click.argument("journal", type=PATH)
@wait_option
def undo(journal: Path, wait: bool | float) -> int:
    """Take back what `vecsim apply` did.

    Files that were moved, linked or put into the trash get their old place, mode and times, and
    return to the index. Folders that hold what they held before get their times back. A file is
    left as it is if it has changed, or if another one is at its place. Deleted files cannot be
    brought back. The command can be repeated.

    \b
    Example:
      vecsim undo groups.journal
    """
    from vecsim.operations.applying import undo as undo_journal

    with _shown_progress() as progress:
        report = undo_journal(journal, wait=wait, progress=progress)
    _note_undone(report)
    return SOME_FAILED if any(file.why for file in report.files) or report.lost_indexes else 0


def _note_undone(report: UndoReport) -> None:
    left = [file for file in report.files if file.why]
    current_run().facts |= {"restored": report.restored, "left": len(left)}
    write_first([f"{file.path}: {file.why}" for file in left])
    note(f"{counted(report.restored, 'file')} brought back.")
    if left:
        note(f"{counted(len(left), 'file')} could not be brought back.")
    if report.deleted:
        note(f"{counted(len(report.deleted), 'file')} deleted for good, such as:")
        note(f"  {report.deleted[0]}")
    if report.returned:
        note(f"{counted(report.returned, 'image')} returned to the index.")
    for lost in report.lost_indexes:
        note(f"No image returned to the index: {lost}.")
