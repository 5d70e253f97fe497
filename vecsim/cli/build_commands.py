"""The commands that build and extend an index: build-index, add, retry, refresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vecsim.cli.completion import complete_files
from vecsim.cli.index_sources import use_model_of_index
from vecsim.cli.messages import note, note_run, status_of
from vecsim.cli.option_groups import command
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.options import (
    duplicate_option,
    engine_options,
    index_argument,
    model_options,
    source_options,
    thumbnails_option,
    wait_option,
    weights_option,
    work_options,
)
from vecsim.cli.progress import running


@command()
@index_argument
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@source_options
@model_options
@duplicate_option
@thumbnails_option
@wait_option
@work_options
@engine_options
def build_index(index: Path, sources: tuple[str, ...], **values: Any) -> int:
    """Build an index of images: download, embed, store.

    After an interruption, run the same command again: it continues where it stopped.

    \b
    Examples:
      vecsim build-index indexes/shop shop.csv
      vecsim build-index indexes/photos ~/Pictures --model phash
      vecsim build-index indexes/shop shop.csv --id-column sku --url-column image --workers 32
    """
    from vecsim.operations import building
    from vecsim.operations.source_indexes import count_refs, is_index, refs_of

    options, work = as_source_options(values), as_work_options(values)
    if is_index(str(index)):
        use_model_of_index(index, values)
    with running(total=lambda: count_refs(list(sources), options)) as run:
        refs = refs_of(list(sources), options)
        report = building.build_index(index, refs, as_run_options(values, work, run))
    note_run(index, index, report)
    return status_of(report)


@command()
@index_argument
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@source_options
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

    options, work = as_source_options(values), as_work_options(values)
    use_model_of_index(index, values)
    with running(total=lambda: count_refs(list(sources), options)) as run:
        refs = refs_of(list(sources), options)
        report = building.add(index, refs, as_run_options(values, work, run))
    note_run(index, index, report)
    return status_of(report)


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
