"""The command query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import SOME_FAILED, failure_line, note_left_out, warn
from vecsim.cli.next_steps import note_next_of_pairs
from vecsim.cli.option_objects import as_search_request
from vecsim.cli.options import (
    model_options,
    output_options,
    placeholders_option,
    report_option,
    show_all_option,
    source_options,
    threshold_option,
    work_options,
)
from vecsim.cli.outputs import Searched, as_output_options, title_of, write_matches
from vecsim.cli.parameters import (
    command,
    complete_files,
    index_or_source_argument,
    options_under,
    orientations_option,
)
from vecsim.cli.runs import index_places, start_early
from vecsim.cli.wait_options import source_wait_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vecsim.cli.runs import IndexedPlaces
    from vecsim.operations.querying import QueryImages
    from vecsim.records import Failure, ImageRef

_search = options_under("Search options")


@command()
@index_or_source_argument
@click.argument("named", metavar="[IMAGE...]", nargs=-1, shell_complete=complete_files)
@click.option("--url", "urls", multiple=True, help="Query image: a URL or path; repeatable.")
@click.option("--id", "ids", multiple=True, help="Query image: an id of the index; repeatable.")
@click.option("--csv", "source", metavar="SOURCE", help="Query images: a list, a folder, or -.")
@threshold_option
@_search("-k", "--top-k", type=click.IntRange(1), help="The K best, regardless of score.")
@orientations_option("Compare the query turned or by parts too [default: turns; none for --id].")
@placeholders_option
@show_all_option
@output_options
@report_option
@source_options
@source_wait_option
@model_options
@work_options
def query(
    place: str,
    named: tuple[str, ...],
    urls: tuple[str, ...],
    ids: tuple[str, ...],
    source: str | None,
    **values: Any,
) -> int:
    """Report images of an index that are similar to given ones.

    An IMAGE is the path or URL of a picture, as with --url; or one list or folder, as with --csv.

    A SOURCE is indexed first; the index is kept, as by `vecsim match`, and used again next time.
    An index has a model of its own: --model is for sources.

    \b
    Examples:
      vecsim query indexes/shop photo.jpg
      vecsim query ~/Pictures photo.jpg --top-k 10
      vecsim query indexes/shop --url https://example.com/shoe.jpg
      vecsim query indexes/shop --csv wanted.csv --threshold 0.9 --output found.csv
    """
    start_early((place,), values)
    from vecsim.index import Snapshot
    from vecsim.operations import querying
    from vecsim.operations.index_settings import threshold_of

    urls, source = _query_places(named, urls, source)
    if sum(map(bool, (urls, ids, source))) != 1:
        raise click.UsageError(
            "name the query images: a path or URL, or use one of --url, --id or --csv."
        )
    outputs = as_output_options(values)
    request = as_search_request(values, thumbnails=outputs.report is not None)
    indexed = index_places([place], values)
    if indexed.interrupted:
        return indexed.status
    failed: list[Failure] = []
    with Snapshot(indexed.paths[0]) as snapshot:
        if ids:
            found = querying.query_ids(snapshot, ids, request)
        else:
            images = _query_images(urls, source, indexed, values["weights"], failed)
            found = querying.query_images(snapshot, images, request)
        note_left_out(found.left_out, request.skip_placeholders)
        if request.top_k is not None:
            fact = f"the {request.top_k} best of each"
        else:
            fact = f"score ≥ {threshold_of(snapshot, request.threshold, request.orientations):g}"
        title, size = f"Similar images in {title_of([place])}", f"{snapshot.count:,} images"
        count = write_matches(found, outputs, Searched(title, size, (fact,), snapshot))
    if failed and len(failed) == len(urls):
        return 1
    if not failed:
        note_next_of_pairs(count, outputs)
    return SOME_FAILED if failed else indexed.status


def _query_places(
    named: tuple[str, ...], urls: tuple[str, ...], source: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Return the URLs and the source of query images, those of the argument included.

    Raises `UsageError` for a list or folder beside other images.
    """
    if not named:
        return urls, source
    from vecsim.sources import is_list_or_folder

    lists = [place for place in named if is_list_or_folder(place)]
    if not lists:
        return (*urls, *named), source
    if len(named) > 1 or source is not None:
        raise click.UsageError(f"{lists[0]}: give one list or folder, or pictures.")
    return urls, lists[0]


def _query_images(
    urls: tuple[str, ...],
    source: str | None,
    indexed: IndexedPlaces,
    weights: Path | None,
    failed: list[Failure],
) -> QueryImages:
    """Make the query images of the options; failures are written and added to `failed`."""
    from vecsim.operations.querying import QueryImages
    from vecsim.operations.requests import ModelChoice
    from vecsim.records import ImageRef

    def on_failure(failure: Failure) -> None:
        failed.append(failure)
        # A query image without a result is an error, which --quiet does not hide.
        warn(failure_line(failure))

    fields: Sequence[str] = ()
    refs: Iterable[ImageRef] = map(ImageRef.of_url, urls)
    if source is not None:
        from vecsim.sources import peek_fields, read_source

        fields, refs = peek_fields(read_source(source, indexed.sources))
    return QueryImages(
        lambda: refs,
        count=len(urls) if source is None else None,
        fields=fields,
        model=ModelChoice(weights=weights),
        work=indexed.work,
        on_failure=on_failure,
    )
