"""The commands match and query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import SOME_FAILED, counted, failure_line, note, warn, without_progress
from vecsim.cli.option_objects import as_search_request, as_source_options, as_work_options
from vecsim.cli.options import (
    PATH,
    engine_options,
    index_argument,
    model_options,
    output_options,
    placeholders_option,
    report_option,
    show_all_option,
    source_options,
    threshold_option,
    weights_option,
    work_options,
)
from vecsim.cli.outputs import Searched, as_output_options, title_of, write_matches
from vecsim.cli.parameters import command, complete_files, options_under, orientations_option
from vecsim.cli.runs import index_places, use_model_of_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecsim.operations.matching import Matches
    from vecsim.operations.querying import QueryImages
    from vecsim.operations.requests import SearchRequest
    from vecsim.records import Failure, ImageRef

_search = options_under("Search options")
_output = options_under("Output options")


@command()
@click.argument("a", shell_complete=complete_files)
@click.argument("b", required=False, shell_complete=complete_files)
@threshold_option
@_search("--best-only", is_flag=True, help="Only the best match of each query.")
@_search("--mutual", is_flag=True, help="Only pairs of which each image is the other's best match.")
@_search("--one-to-one", is_flag=True, help="Each image in one pair at most, the best pairs first.")
@_search(
    "--since",
    metavar="WHEN",
    help="Only pairs with an image added since: 2026-01-31, 2026-01-31T08:00, or 36h, 7d ago.",
)
@_search("--new-only", is_flag=True, help="Only pairs with an image new in the last `vecsim sync`.")
@placeholders_option
@show_all_option
@orientations_option("Compare images of A, or of both, in these orientations too [default: none].")
@_output(
    "--unmatched",
    type=PATH,
    metavar="FILE",
    help="Write a list of the images of A without a match.",
)
@_output("--matrix", type=PATH, metavar="FILE.npy", help="Write the matrix of all scores too.")
@_output("--names", nargs=2, metavar="A B", help="Column prefixes [default: query reference].")
@output_options
@report_option
@source_options
@model_options
@work_options
@engine_options
def match(
    a: str, b: str | None, matrix: Path | None, names: tuple[str, str] | None, **values: Any
) -> int:
    """Report every pair of similar images, one of A and one of B.

    A and B are indexes or sources. A source is indexed first; the index is kept in indexes/ (or in
    the folder VECSIM_INDEXES) and used again next time, so no image is downloaded twice. Without B,
    A is matched with itself: each pair once.

    --skip-placeholders N leaves out pictures that N or more images of A share, or N or more of B,
    as the same bytes or saved again. `vecsim info` lists those with the same bytes.

    Pairs are left out, and counted, if one of the images is not there any more, if both are one
    file, if a picture has only one colour, or if they were judged different (`vecsim decisions`).
    --show-all reports them too.

    --orientations turns the images of A; where A is matched with itself, the score of a pair is the
    larger of both directions. An index must store the orientations (`vecsim add`); the index of a
    source is made so.

    --one-to-one takes the pair with the highest score, then the best pair of the images that are
    left, and so on; equal scores are ordered by the ids. --unmatched lists the images of A that are
    in no reported pair, as a list that vecsim reads.

    \b
    Examples:
      vecsim match shop.csv supplier.csv --output pairs.csv
      vecsim match indexes/today indexes/archive --threshold 0.9 --best-only
      vecsim match shop.csv supplier.csv --one-to-one --unmatched not-supplied.csv
      vecsim match ~/Pictures --report duplicates.html
      vecsim match ~/Pictures --format jsonl
    """
    from vecsim.operations import matching
    from vecsim.operations.index_settings import threshold_of
    from vecsim.orientations import codes_of
    from vecsim.render import Progress, match_columns

    outputs = as_output_options(values, matrix)
    match_columns((), (), names)
    request = as_search_request(values)
    if outputs.unmatched is not None and (request.since is not None or request.new_only):
        option = "--new-only" if request.new_only else "--since"
        raise click.UsageError(f"--unmatched lists images without any match: leave out {option}.")
    matching.check_best_only(request, itself=b is None)
    places = [a] if b is None else [a, b]
    indexed = index_places(places, values, orientations=request.orientations)
    if indexed.interrupted:
        return indexed.status
    with matching.open_pair(indexed.paths) as (queries, references):
        progress = Progress(quiet=without_progress() or outputs.rows_on_terminal)
        found = matching.match(
            queries, references, request, engine=indexed.work.engine, progress=progress.update
        )
        progress.total = queries.count
        _note_left_out(found, request)
        title = title_of(places)
        searched = Searched(
            title if b is not None else f"{title}, matched with itself",
            f"{queries.count:,} x {references.count:,} images",
            (f"score ≥ {threshold_of(references, request.threshold, request.orientations):g}",),
            references,
            queries,
            names,
        )
        write_matches(found, outputs, searched, progress)
        if matrix is not None:
            codes = codes_of(request.orientations or "none")
            shape = matching.write_matrix(queries, references, matrix, codes)
            note(f"{matrix}: {shape[0]:,} x {shape[1]:,} scores")
    return indexed.status


@command()
@index_argument
@click.option("--url", "urls", multiple=True, help="Query image: a URL or path; repeatable.")
@click.option("--id", "ids", multiple=True, help="Query image: an id of the index; repeatable.")
@click.option("--csv", "source", metavar="SOURCE", help="Query images: a list, a folder, or -.")
@threshold_option
@_search("-k", "--top-k", type=click.IntRange(1), help="The K best, regardless of score.")
@orientations_option("Compare the query in these orientations too [default: turns; none for --id].")
@placeholders_option
@show_all_option
@weights_option
@output_options
@report_option
@source_options
@work_options
def query(
    index: Path, urls: tuple[str, ...], ids: tuple[str, ...], source: str | None, **values: Any
) -> int:
    """Report images of an index that are similar to given ones.

    \b
    Examples:
      vecsim query indexes/shop --url https://example.com/shoe.jpg
      vecsim query indexes/shop --url photo.jpg --top-k 10
      vecsim query indexes/shop --csv wanted.csv --threshold 0.9 --output found.csv
    """
    from vecsim.index import Snapshot
    from vecsim.operations import querying
    from vecsim.operations.index_settings import threshold_of

    if sum(map(bool, (urls, ids, source))) != 1:
        raise click.UsageError("name the query images: use one of --url, --id or --csv.")
    outputs = as_output_options(values)
    request = as_search_request(values, thumbnails=outputs.report is not None)
    use_model_of_index(index, values)
    failed: list[Failure] = []
    with Snapshot(index) as snapshot:
        if ids:
            found = querying.query_ids(snapshot, ids, request)
        else:
            images = _query_images(urls, source, values, failed)
            found = querying.query_images(snapshot, images, request)
        _note_left_out(found, request)
        if request.top_k is not None:
            fact = f"the {request.top_k} best of each"
        else:
            fact = f"score ≥ {threshold_of(snapshot, request.threshold, request.orientations):g}"
        title, size = f"Similar images in {index.name or index}", f"{snapshot.count:,} images"
        write_matches(found, outputs, Searched(title, size, (fact,), snapshot))
    if failed and len(failed) == len(urls):
        return 1
    return SOME_FAILED if failed else 0


def _query_images(
    urls: tuple[str, ...], source: str | None, values: dict[str, Any], failed: list[Failure]
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
    options = as_source_options(values)
    if source is not None:
        from vecsim.sources import peek_fields, read_source

        fields, refs = peek_fields(read_source(source, options))
    return QueryImages(
        lambda: refs,
        count=len(urls) if source is None else None,
        fields=fields,
        model=ModelChoice(weights=values["weights"]),
        work=as_work_options(values),
        on_failure=on_failure,
    )


def _note_left_out(found: Matches, request: SearchRequest) -> None:
    """Write how many placeholders the search leaves out, if that was asked for."""
    least = request.skip_placeholders
    if least is None:
        return
    left_out = found.left_out
    if not left_out.images:
        note(f"No picture is shared by {least:,} or more images: none was left out.")
        return
    pictures = counted(left_out.pictures, "picture")
    note(f"{counted(left_out.images, 'image')} left out: {pictures} shared by {least:,} or more.")
