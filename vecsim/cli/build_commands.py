"""The commands that load pictures of an index: build-index, add, retry, refresh, thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import (
    INTERRUPTED,
    SOME_FAILED,
    counted,
    failure_line,
    in_shell,
    note,
    write_first,
)
from vecsim.cli.next_steps import note_next_of_index
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.options import (
    PATH,
    duplicate_option,
    engine_options,
    index_argument,
    model_options,
    name_option,
    source_options,
    thumbnails_option,
    weights_option,
    work_options,
)
from vecsim.cli.parameters import command, complete_files, stored_orientations_option
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import (
    note_run,
    reading_of,
    run_facts,
    running,
    start_early,
    status_of,
    use_model_of_index,
)
from vecsim.cli.wait_options import wait_option

if TYPE_CHECKING:
    from vecsim.engines.engine import WorkOptions


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
@stored_orientations_option
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
    if not index.exists():
        start_early(sources, values)
    from vecsim.index import is_index
    from vecsim.operations import building
    from vecsim.sources import count_refs, refs_of

    if (old is None) == (not sources):
        raise click.UsageError("Give sources, or an index with --from: one of the two.")
    if old is not None and values["name"] is not None:
        raise click.UsageError("--name is for sources: --from takes the names of the index along.")
    name = _take_name(sources, values)
    options, work = as_source_options(values), as_work_options(values)
    if is_index(str(index)):
        use_model_of_index(index, values)
    if old is not None:
        return _build_from(index, old, work, values)
    with running(total=lambda: count_refs(list(sources), options)) as run:
        reading = reading_of(run)
        refs = refs_of(list(sources), options, name, reading)
        report = building.build_index(index, refs, as_run_options(values, work, run))
    report.notes = reading.notes
    note_run(index, index, report)
    if report.added and not report.interrupted:
        note_next_of_index(index)
    return status_of(report)


def _build_from(index: Path, old: Path, work: WorkOptions, values: dict[str, Any]) -> int:
    """Build an index of the images of `old`."""
    from vecsim.operations import rebuilding

    with running(total=lambda: rebuilding.count_refs(old)) as run:
        options = as_run_options(values, work, run)
        report, without = rebuilding.build_from_index(index, old, options)
    note_run(index, index, report)
    if without:
        note(f"{counted(without, 'image')} without a URL left out: only their vectors are known.")
    return status_of(report)


@command()
@index_argument
@click.argument("sources", metavar="[SOURCE...]", nargs=-1, shell_complete=complete_files)
@source_options
@name_option
@weights_option
@duplicate_option
@thumbnails_option
@stored_orientations_option
@wait_option
@work_options
@engine_options
def add(index: Path, sources: tuple[str, ...], **values: Any) -> int:
    """Add images to an index; known ones are skipped.

    --orientations also loads known images again, and stores them in these orientations; without a
    SOURCE it does only this. `vecsim match --orientations` needs them.

    \b
    Examples:
      vecsim add indexes/shop new-arrivals.csv
      cat urls.txt | vecsim add indexes/shop - --no-header
      vecsim add indexes/photos --orientations turns
    """
    from vecsim.operations import building
    from vecsim.sources import count_refs, refs_of

    if not sources and values["orientations"] is None:
        raise click.UsageError("Give a source, or --orientations alone.")
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


def _take_name(sources: tuple[str, ...], values: dict[str, Any]) -> str | None:
    """Take the name of the source out of `values`, and put its path there."""
    from vecsim.sources import source_path

    name: str | None = values.pop("name")
    if name is not None and sources:
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
    current_run().add("runs", run_facts(None, index, report))
    note(f"{index}: {summarize_refresh(report)}")
    if report.interrupted:
        note(
            "Interrupted: completed work is kept. With --older-than, the same command skips "
            "images that it has checked."
        )
    elif report.failed:
        note(
            "Failed images stay in the index unchanged; "
            f"`vecsim failures {in_shell(index)}` lists them."
        )
    return status_of(report)


@command()
@index_argument
@wait_option
@work_options
def thumbnails(index: Path, **values: Any) -> int:
    """Fetch missing thumbnails of an index.

    Indexes store thumbnails unless they were built with --no-thumbnails. Missing ones are made from
    the images' URLs; an image that has changed at its URL is left out.

    \b
    Example:
      vecsim thumbnails indexes/shop
    """
    from vecsim.operations.thumbnails import fetch_thumbnails

    work = as_work_options(values)
    with running() as run:
        done = fetch_thumbnails(index, as_run_options(values, work, run))
    counts = {"added": done.added, "failed": len(done.failures)}
    current_run().add("thumbnails", {"index": str(index), **counts})
    write_first([failure_line(failure) for failure in done.failures])
    parts = [f"{counted(done.added, 'thumbnail')} added"]
    if done.failures:
        parts.append(f"{counted(len(done.failures), 'image')} could not be loaded")
    if done.without_url:
        parts.append(f"{counted(done.without_url, 'image')} without a URL")
    note(f"{index}: {', '.join(parts)}.")
    if done.interrupted:
        return INTERRUPTED
    return SOME_FAILED if done.failures else 0
