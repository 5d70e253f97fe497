"""match and query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.completion import complete_files
from vecsim.cli.early import check_output, check_question, yield_to_index
from vecsim.cli.options import (
    PATH,
    as_source_options,
    as_work_options,
    index_argument,
    model_options,
    output_options,
    source_options,
    weights_option,
    work_options,
)
from vecsim.cli.running import SOME_FAILED, counted, note, running, status_of, tell

if TYPE_CHECKING:
    from vecsim.operations.matches import Matches

_THRESHOLD = click.option(
    "-t",
    "--threshold",
    type=float,
    help="Report scores from here on, -1 to 1, inclusive [default: the index's or model's own].",
)


@click.command()
@click.argument("a", shell_complete=complete_files)
@click.argument("b", required=False, shell_complete=complete_files)
@_THRESHOLD
@click.option("--best-only", is_flag=True, help="Each query's best match alone.")
@click.option(
    "--since",
    metavar="WHEN",
    help="Only pairs with an image added since: 2026-01-31, 2026-01-31T08:00, or 36h, 7d ago.",
)
@click.option("--matrix", type=PATH, metavar="FILE.npy", help="Write all scores as a matrix too.")
@click.option(
    "--names", nargs=2, metavar="A B", help="Prefixes of the columns [default: query reference]."
)
@output_options
@source_options
@model_options
@work_options
def match(
    a: str,
    b: str | None,
    threshold: float | None,
    best_only: bool,
    since: str | None,
    matrix: Path | None,
    names: tuple[str, str] | None,
    format_: str | None,
    output: Path | None,
    **values: Any,
) -> int:
    """Report every pair of alike images, one of A and one of B.

    A and B are indexes or sources. A source is indexed first; that index is kept under indexes/
    (or the folder that VECSIM_INDEXES names) and found again next time, so nothing is downloaded
    twice. A alone is matched with itself: each pair once.

    \b
    Examples:
      vecsim match shop.csv supplier.csv --output pairs.csv
      vecsim match indexes/today indexes/archive --threshold 0.9 --best-only
      vecsim match ~/Pictures --format jsonl
    """
    from vecsim.index import Snapshot
    from vecsim.operations import matching
    from vecsim.operations.moments import parse_moment
    from vecsim.operations.opening import Sources, index_paths, is_index
    from vecsim.render import match_columns

    check_output(format_, output, matrix)
    check_question(threshold)
    match_columns((), (), names)
    if best_only and b is None:
        raise click.UsageError(matching.NO_QUERY)
    moment = parse_moment(since) if since is not None else None
    options, work = as_source_options(values), as_work_options(values)
    places = [a] if b is None else [a, b]
    existing = [Path(place) for place in places if is_index(place)]
    if existing:
        yield_to_index(existing[0], values)
    with running(show=len(existing) < len(places)) as run:
        sources = Sources(options, work=work, watch=run.watch, stop=run.stop, **values)
        indexed = index_paths(places, sources)
    reports = [report for _, report in indexed]
    for place, (path, report) in zip(places, indexed, strict=True):
        if report is not None:
            tell(place, path, report)
    if any(report is not None and report.interrupted for report in reports):
        return status_of(*reports)
    with Snapshot(indexed[0][0]) as queries, Snapshot(indexed[-1][0]) as other:
        references = queries if b is None else other
        found = matching.match(
            queries, references, threshold=threshold, best_only=best_only, since=moment
        )
        _write(found, format_, output, names, f"{queries.count:,} x {references.count:,} images")
        if matrix is not None:
            shape = matching.write_matrix(queries, references, matrix)
            note(f"{matrix}: {shape[0]:,} x {shape[1]:,} scores")
    return status_of(*reports)


@click.command()
@index_argument
@click.option("--url", "urls", multiple=True, help="A URL, file: URL or path; repeatable.")
@click.option("--id", "ids", multiple=True, help="The id of one of its own images; repeatable.")
@click.option("--csv", "source", metavar="SOURCE", help="A CSV, TSV, JSON lines file, folder or -.")
@_THRESHOLD
@click.option("-k", "--top-k", type=click.IntRange(1), help="The K best, whatever their score.")
@weights_option
@output_options
@source_options
@work_options
def query(
    index: Path,
    urls: tuple[str, ...],
    ids: tuple[str, ...],
    source: str | None,
    threshold: float | None,
    top_k: int | None,
    format_: str | None,
    output: Path | None,
    **values: Any,
) -> int:
    """Report the images of INDEX that are like given ones.

    \b
    Examples:
      vecsim query indexes/shop --url https://example.com/shoe.jpg
      vecsim query indexes/shop --url photo.jpg --top-k 10
      vecsim query indexes/shop --csv wanted.csv --threshold 0.9 --output found.csv
    """
    from vecsim.index import Snapshot
    from vecsim.operations import querying
    from vecsim.operations.sampling import first_and_all
    from vecsim.records import Failure, ImageRef
    from vecsim.sources import read_source

    if sum(map(bool, (urls, ids, source))) != 1:
        raise click.UsageError("say what to look for: one of --url, --id or --csv.")
    check_output(format_, output)
    check_question(threshold, top_k)
    options, work = as_source_options(values), as_work_options(values)
    yield_to_index(index, values)
    failed: list[Failure] = []

    def report_failure(failure: Failure) -> None:
        failed.append(failure)
        name = failure.ref.url or failure.ref.id
        # An answer that is not there is an error, so that --quiet does not hide it.
        message = failure.message.removeprefix(f"{name}: ")
        click.echo(f"{name}: {failure.kind}: {message}", err=True)

    with Snapshot(index) as snapshot:
        if ids:
            found = querying.query_ids(snapshot, ids, threshold=threshold, top_k=top_k)
        else:
            refs = (ImageRef(url, url) for url in urls)
            fields, stream = first_and_all(read_source(source, options) if source else refs)
            found = querying.query_images(
                snapshot,
                lambda: stream,
                threshold=threshold,
                top_k=top_k,
                work=work,
                fields=fields,
                few=source is None and len(urls) <= 8,
                failed=report_failure,
                **values,
            )
        _write(found, format_, output, None, None)
    if failed and len(failed) == len(urls):
        return 1
    return SOME_FAILED if failed else 0


def _write(
    found: Matches,
    format_: str | None,
    output: Path | None,
    names: tuple[str, str] | None,
    what: str | None,
) -> None:
    from vecsim.render import open_writer

    with open_writer(
        format_,
        output,
        query_fields=found.query_fields,
        reference_fields=found.reference_fields,
        names=names,
    ) as writer:
        writer.write_many(found)
    pairs = counted(writer.count, "pair")
    place = f", written to {output}" if output is not None and str(output) != "-" else ""
    note(f"{pairs}{' among ' + what if what else ''}{place}")
