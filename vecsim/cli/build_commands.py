"""The commands that load images into an index: build-index, add, sync, retry, refresh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.options import (
    PATH,
    duplicate_option,
    engine_options,
    index_argument,
    model_options,
    name_option,
    output_options,
    source_options,
    thumbnails_option,
    wait_option,
    weights_option,
    work_options,
)
from vecsim.cli.parameters import command, complete_files, options_under
from vecsim.cli.runs import note_run, reading_of, running, status_of, use_model_of_index
from vecsim.cli.source_notes import note_sources

if TYPE_CHECKING:
    from vecsim.engines.engine import WorkOptions
    from vecsim.operations.syncing import Change, SyncOptions, SyncReport

_sync = options_under("Sync options")


@command()
@index_argument
@click.argument("sources", metavar="[SOURCE...]", nargs=-1, shell_complete=complete_files)
@click.option(
    "--from",
    "old",
    type=PATH,
    metavar="INDEX",
    help="Index to build anew, instead of sources: its images are embedded by another model.",
)
@source_options
@name_option
@model_options
@duplicate_option
@thumbnails_option
@wait_option
@work_options
@engine_options
def build_index(index: Path, sources: tuple[str, ...], old: Path | None, **values: Any) -> int:
    """Build an index of images: download, embed, store.

    After an interruption, run the same command again: it continues where it stopped.

    --from takes the images of another index, with their ids and fields, the decisions about them
    and the sources that list them, and loads the pictures again. Use it to change the model.

    \b
    Examples:
      vecsim build-index indexes/shop shop.csv
      vecsim build-index indexes/photos ~/Pictures --model phash
      vecsim build-index indexes/shop shop.csv --id-column sku --url-column image --workers 32
      vecsim build-index indexes/shop-2 --from indexes/shop --model bundled
    """
    from vecsim.operations import building
    from vecsim.operations.source_indexes import count_refs, is_index, refs_of

    if (old is None) == (not sources):
        raise click.UsageError("Give sources, or an index with --from: one of the two.")
    if old is not None and values["name"] is not None:
        raise click.UsageError("--name is for sources: --from takes the names of the index along.")
    name = _take_name(sources, values)
    options, work = as_source_options(values), as_work_options(values)
    if old is not None:
        return _build_from(index, old, work, values)
    if is_index(str(index)):
        use_model_of_index(index, values)
    with running(total=lambda: count_refs(list(sources), options)) as run:
        reading = reading_of(run)
        refs = refs_of(list(sources), options, name, reading)
        report = building.build_index(index, refs, as_run_options(values, work, run))
    report.notes = reading.notes
    note_run(index, index, report)
    return status_of(report)


def _build_from(index: Path, old: Path, work: WorkOptions, values: dict[str, Any]) -> int:
    """Build an index of the images of `old`."""
    from vecsim.operations import rebuilding
    from vecsim.operations.source_indexes import is_index

    if is_index(str(index)):
        use_model_of_index(index, values)
    with running(total=lambda: rebuilding.count_refs(old)) as run:
        options = as_run_options(values, work, run)
        report, without = rebuilding.build_from_index(index, old, options)
    note_run(index, index, report)
    if without:
        note(f"{counted(without, 'image')} without a URL left out: only their vectors are known.")
    return status_of(report)


@command()
@index_argument
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@source_options
@name_option
@weights_option
@duplicate_option
@thumbnails_option
@wait_option
@work_options
@engine_options
def add(index: Path, sources: tuple[str, ...], **values: Any) -> int:
    """Add images to an index; known ones are skipped.

    \b
    Examples:
      vecsim add indexes/shop new-arrivals.csv
      cat urls.txt | vecsim add indexes/shop - --no-header
    """
    from vecsim.operations import building
    from vecsim.operations.source_indexes import count_refs, refs_of

    name = _take_name(sources, values)
    options, work = as_source_options(values), as_work_options(values)
    use_model_of_index(index, values)
    with running(total=lambda: count_refs(list(sources), options)) as run:
        reading = reading_of(run)
        refs = refs_of(list(sources), options, name, reading)
        report = building.add(index, refs, as_run_options(values, work, run))
    report.notes = reading.notes
    note_run(index, index, report)
    return status_of(report)


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
    if report.interrupted:
        note(
            "Interrupted: completed work is kept, and nothing was removed. Run the same command "
            "again to continue."
        )
    elif report.failed and not report.dry_run:
        note(f"`vecsim failures {index}` lists them, `vecsim retry {index}` tries them again.")


def _take_name(sources: tuple[str, ...], values: dict[str, Any]) -> str | None:
    """Take the name of the source out of `values`, and put its path there."""
    from vecsim.sources import source_path

    name: str | None = values.pop("name")
    if name is not None:
        values["places"] = {name: source_path(sources[0]) or sources[0]}
    return name


@command()
@index_argument
@weights_option
@wait_option
@work_options
def retry(index: Path, **values: Any) -> int:
    """Try the failed images of an index again.

    \b
    Example:
      vecsim retry indexes/shop --timeout 120
    """
    from vecsim.operations import building

    work = as_work_options(values)
    use_model_of_index(index, values)
    with running() as run:
        report = building.retry(index, as_run_options(values, work, run))
    note_run(index, index, report)
    return status_of(report)


@command()
@index_argument
@click.option(
    "--older-than",
    metavar="WHEN",
    help="Only images last checked before: 2026-01-31, 2026-01-31T08:00, or 36h, 7d ago.",
)
@weights_option
@wait_option
@work_options
@engine_options
def refresh(index: Path, older_than: str | None, **values: Any) -> int:
    """Check all images for changes and embed those that changed.

    If a server sent an ETag or Last-Modified before, an unchanged image is not downloaded again. A
    changed image counts as added now (for `match --since`). An image that can no longer be loaded
    stays in the index unchanged and is listed by `vecsim failures`.

    \b
    Examples:
      vecsim refresh indexes/shop
      vecsim refresh indexes/shop --older-than 7d --rate-per-host 5
    """
    from vecsim.operations import building
    from vecsim.operations.maintenance import count
    from vecsim.operations.requests import parse_timestamp
    from vecsim.render import summarize_refresh

    since = parse_timestamp(older_than) if older_than is not None else None
    work = as_work_options(values)
    use_model_of_index(index, values)
    with running(total=lambda: count(index) if since is None else None) as run:
        options = as_run_options(values, work, run)
        report = building.refresh(index, options, older_than=since)
    note(f"{index}: {summarize_refresh(report)}")
    if report.interrupted:
        note(
            "Interrupted: completed work is kept. With --older-than, the same command skips "
            "images that it has checked."
        )
    elif report.failed:
        note(f"Failed images stay in the index unchanged; `vecsim failures {index}` lists them.")
    return status_of(report)
