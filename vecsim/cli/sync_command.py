"""The command sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, in_shell, note
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.options import (
    engine_options,
    index_argument,
    name_option,
    output_options,
    source_options,
    thumbnails_option,
    weights_option,
    work_options,
)
from vecsim.cli.parameters import command, complete_files, options_under, stored_orientations_option
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import note_turned, run_facts, running, status_of, use_model_of_index
from vecsim.cli.source_notes import note_sources
from vecsim.cli.wait_options import wait_option

if TYPE_CHECKING:
    from vecsim.operations.syncing import Change, SyncOptions, SyncReport

_sync = options_under("Sync options")


@command()
@index_argument
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@_sync("--dry-run", is_flag=True, help="Write what would change, and change nothing.")
@_sync(
    "--max-remove",
    type=click.FloatRange(0, 100),
    default=20.0,
    show_default=True,
    metavar="PERCENT",
    help="Remove nothing if a source has lost a greater share of its images.",
)
@_sync("--allow-empty", is_flag=True, help="An empty source removes all of its images.")
@_sync("--keep-missing", is_flag=True, help="Mark images that are gone instead of removing them.")
@_sync("--refresh", is_flag=True, help="Request all other images too, and embed changed ones.")
@_sync("--adopt", is_flag=True, help="Images that came from no source become those of this one.")
@output_options
@source_options
@name_option
@weights_option
@thumbnails_option
@stored_orientations_option
@wait_option
@work_options
@engine_options
def sync(index: Path, sources: tuple[str, ...], **values: Any) -> int:
    """Make an index hold what its sources list now.

    Adds new images, fetches those with a new URL, writes new fields without a download and removes
    images that no source lists any more. A renamed or moved file keeps its vector. A local file is
    read again when its size or time has changed.

    An index may follow several sources. Each remembers its own images: those of other sources, and
    those that came from none, are left alone. Nothing is removed before a source was read to its
    end. After an interruption, run the same command again.

    \b
    Examples:
      vecsim sync indexes/shop shop.csv
      vecsim sync indexes/shop shop.csv --dry-run
      vecsim sync indexes/photos ~/Pictures --output changes.csv
      vecsim sync indexes/shop export-2026-11-26.csv --name shop --refresh
    """
    from vecsim.operations.syncing import name_sources
    from vecsim.operations.syncing import sync as run_sync
    from vecsim.render import change_columns, change_rows, summarize_sync, write_rows

    how = _as_sync_options(values)
    options, work = as_source_options(values), as_work_options(values)
    format_, output = values.pop("format_"), values.pop("output")
    named = name_sources(list(sources), options, values.pop("name"))
    use_model_of_index(index, values)
    wanted = how.dry_run or output is not None or format_ is not None
    changes: list[Change] = []
    keep = changes.append if wanted else lambda change: None
    with running(show=not how.dry_run) as run:
        report = run_sync(index, named, how, as_run_options(values, work, run), keep)
    if wanted:
        write_rows(change_columns(), change_rows(changes), format_, output)
    counts = {"removed": report.removed, "dry_run": report.dry_run}
    current_run().add("runs", {**run_facts(None, index, report), **counts})
    note(f"{index}: {summarize_sync(report)}")
    _note_sync(index, report)
    return status_of(report)


def _as_sync_options(values: dict[str, Any]) -> SyncOptions:
    """Take the options of a sync out of `values`."""
    from vecsim.operations.syncing import SyncOptions

    names = ("dry_run", "max_remove", "allow_empty", "keep_missing", "adopt", "refresh")
    return SyncOptions(**{name: values.pop(name) for name in names})


def _note_sync(index: Path, report: SyncReport) -> None:
    """Write what a user should know about a sync besides its counts."""
    note_sources(report.notes)
    if report.unreadable:
        note("Nothing below a folder that cannot be read was removed.")
    if report.on_disk:
        note(
            f"{counted(report.on_disk, 'file')} no longer listed but still there (hidden, or in a "
            f"folder that cannot be read): kept."
        )
    if report.unnamed:
        note(
            f"{counted(report.unnamed, 'row')} broken, or without an id and a URL, so that it is "
            f"not known which images were meant: nothing was removed."
        )
    note_turned(report)
    if report.interrupted:
        note(
            "Interrupted: completed work is kept, and nothing was removed. Run the same command "
            "again to continue."
        )
    elif report.failed and not report.dry_run:
        note(
            f"`vecsim failures {in_shell(index)}` lists them, "
            f"`vecsim retry {in_shell(index)}` tries them again."
        )
