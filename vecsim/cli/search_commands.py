"""The commands match and query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.completion import complete_files
from vecsim.cli.index_sources import index_places, use_model_of_index
from vecsim.cli.messages import SOME_FAILED, counted, note, quiet, status_of
from vecsim.cli.option_groups import command, options_under
from vecsim.cli.options import (
    PATH,
    as_source_options,
    as_work_options,
    engine_options,
    index_argument,
    model_options,
    output_options,
    placeholders_option,
    report_option,
    source_options,
    threshold_option,
    weights_option,
    work_options,
)
from vecsim.cli.outputs import (
    check_output,
    check_report,
    report_head,
    rows_on_screen,
    write_matches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecsim.operations.matching import Matches
    from vecsim.records import ImageRef
    from vecsim.sources import SourceOptions


_search = options_under("Search options")
_output = options_under("Output options")


@command()
@click.argument("a", shell_complete=complete_files)
@click.argument("b", required=False, shell_complete=complete_files)
@threshold_option
@_search("--best-only", is_flag=True, help="Only the best match of each query.")
@_search(
    "--since",
    metavar="WHEN",
    help="Only pairs with an image added since: 2026-01-31, 2026-01-31T08:00, or 36h, 7d ago.",
)
@placeholders_option
@_output("--matrix", type=PATH, metavar="FILE.npy", help="Write the matrix of all scores too.")
@_output("--names", nargs=2, metavar="A B", help="Column prefixes [default: query reference].")
@output_options
@report_option
@source_options
@model_options
@work_options
@engine_options
def match(
    a: str,
    b: str | None,
    threshold: float | None,
    best_only: bool,
    since: str | None,
    skip_placeholders: int | None,
    matrix: Path | None,
    names: tuple[str, str] | None,
    format_: str | None,
    output: Path | None,
    report: Path | None,
    **values: Any,
) -> int:
    """Report every pair of similar images, one of A and one of B.

    A and B are indexes or sources. A source is indexed first; the index is kept in indexes/ (or in
    the folder VECSIM_INDEXES) and used again next time, so no image is downloaded twice. Without B,
    A is matched with itself: each pair once.

    --skip-placeholders N leaves out images whose bytes are shared by N or more images of A, or by N
    or more of B; `vecsim info` lists such pictures.

    \b
    Examples:
      vecsim match shop.csv supplier.csv --output pairs.csv
      vecsim match indexes/today indexes/archive --threshold 0.9 --best-only
      vecsim match ~/Pictures --report duplicates.html
      vecsim match ~/Pictures --format jsonl
    """
    from vecsim.operations import matching
    from vecsim.operations.index_settings import threshold_of
    from vecsim.operations.requests import SearchRequest, parse_timestamp
    from vecsim.render import Progress, match_columns

    check_output(format_, output, matrix)
    check_report(report)
    match_columns((), (), names)
    request = SearchRequest(
        threshold,
        best_only=best_only,
        since=parse_timestamp(since) if since is not None else None,
        skip_placeholders=skip_placeholders,
    )
    matching.check_best_only(request, itself=b is None)
    places = [a] if b is None else [a, b]
    paths, done, work = index_places(places, values)
    if any(added is not None and added.interrupted for added in done):
        return status_of(*done)
    with matching.open_pair(paths) as (queries, references):
        silent = quiet() or rows_on_screen(format_, output, report)
        progress = Progress(quiet=silent)
        found = matching.match(
            queries, references, request, engine=work.engine, progress=progress.update
        )
        progress.total = queries.count
        _tell_left_out(found, skip_placeholders)
        title = " and ".join(Path(place).name or place for place in places)
        if b is None:
            title += ", matched with itself"
        size = f"{queries.count:,} x {references.count:,} images"
        write_matches(
            found,
            format_,
            output,
            names,
            report=report,
            head=lambda: report_head(
                title,
                (
                    size,
                    f"score from {threshold_of(references, threshold):g}",
                    references.fingerprint.model,
                ),
                found.query_fields,
                found.reference_fields,
                itself=b is None,
                group="component" if b is None else "query",
                names=names or ("query", "reference"),
            ),
            queries=queries,
            references=references,
            what=f" among {size}",
            progress=progress,
        )
        if matrix is not None:
            shape = matching.write_matrix(queries, references, matrix)
            note(f"{matrix}: {shape[0]:,} x {shape[1]:,} scores")
    return status_of(*done)


@command()
@index_argument
@click.option("--url", "urls", multiple=True, help="Query image: a URL or path; repeatable.")
@click.option("--id", "ids", multiple=True, help="Query image: an id of the index; repeatable.")
@click.option("--csv", "source", metavar="SOURCE", help="Query images: a list, a folder, or -.")
@threshold_option
@_search("-k", "--top-k", type=click.IntRange(1), help="The K best, regardless of score.")
@placeholders_option
@weights_option
@output_options
@report_option
@source_options
@work_options
def query(
    index: Path,
    urls: tuple[str, ...],
    ids: tuple[str, ...],
    source: str | None,
    threshold: float | None,
    top_k: int | None,
    skip_placeholders: int | None,
    format_: str | None,
    output: Path | None,
    report: Path | None,
    **values: Any,
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
    from vecsim.operations.requests import ModelChoice, SearchRequest
    from vecsim.records import Failure

    if sum(map(bool, (urls, ids, source))) != 1:
        raise click.UsageError("name the query images: use one of --url, --id or --csv.")
    check_output(format_, output)
    check_report(report)
    request = SearchRequest(
        threshold,
        top_k,
        skip_placeholders=skip_placeholders,
        thumbnails=report is not None,
    )
    options, work = as_source_options(values), as_work_options(values)
    use_model_of_index(index, values)
    failed: list[Failure] = []

    def report_failure(failure: Failure) -> None:
        failed.append(failure)
        name = failure.ref.url or failure.ref.id
        # A query image without a result is an error, which --quiet does not hide.
        message = failure.message.removeprefix(f"{name}: ")
        click.echo(f"{name}: {failure.kind}: {message}", err=True)

    with Snapshot(index) as snapshot:
        if ids:
            found = querying.query_ids(snapshot, ids, request)
        else:
            fields, stream = _references(source, options, urls)
            images = querying.QueryImages(
                lambda: stream,
                count=len(urls) if source is None else None,
                fields=fields,
                model=ModelChoice(weights=values["weights"]),
                work=work,
                on_failure=report_failure,
            )
            found = querying.query_images(snapshot, images, request)
        _tell_left_out(found, skip_placeholders)
        asked = (
            f"the {top_k} best of each"
            if top_k
            else f"score from {threshold_of(snapshot, threshold):g}"
        )
        write_matches(
            found,
            format_,
            output,
            None,
            report=report,
            head=lambda: report_head(
                f"Like these, in {index.name or index}",
                (f"{snapshot.count:,} images", asked, snapshot.fingerprint.model),
                found.query_fields,
                found.reference_fields,
            ),
            queries=None,
            references=snapshot,
        )
    if failed and len(failed) == len(urls):
        return 1
    return SOME_FAILED if failed else 0


def _references(
    source: str | None, options: SourceOptions, urls: tuple[str, ...]
) -> tuple[list[str], Iterator[ImageRef]]:
    """Return the names of the fields of the query images, and the images."""
    from vecsim.records import ImageRef

    if source is None:
        return [], (ImageRef(url, url) for url in urls)
    from vecsim.operations.source_indexes import peek_fields
    from vecsim.sources import read_source

    return peek_fields(read_source(source, options))


def _tell_left_out(found: Matches, least: int | None) -> None:
    """Tell how many placeholders the search leaves out, if that was asked for."""
    if least is None:
        return
    left_out = found.left_out
    if not left_out.images:
        note(f"No picture is shared by {least:,} or more images: none was left out.")
        return
    pictures = counted(len(left_out.hashes), "picture")
    note(f"{counted(left_out.images, 'image')} left out: {pictures} shared by {least:,} or more.")
