"""match and query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.options import (
    PATH,
    as_source_options,
    as_work_options,
    model_options,
    output_options,
    source_options,
    work_options,
)
from vecsim.cli.running import SOME_FAILED, note, running, status_of

if TYPE_CHECKING:
    from vecsim.operations.matches import Matches

_THRESHOLD = click.option(
    "-t",
    "--threshold",
    type=float,
    help="Report scores from here on, -1 to 1, inclusive [default: the index's or model's own].",
)


@click.command()
@click.argument("a")
@click.argument("b", required=False)
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
    model: str,
    weights: Path | None,
    **values: Any,
) -> int:
    """Report every pair of an image of A and one of B that are alike.

    A and B are indexes or sources; a source is indexed first, and that index is kept and found
    again next time. A alone is matched with itself: each pair once.

    \b
    Examples:
      vecsim match shop.csv supplier.csv --output pairs.csv
      vecsim match indexes/today indexes/archive --threshold 0.9 --best-only
      vecsim match ~/Pictures --format jsonl
    """
    from vecsim.index import Snapshot
    from vecsim.operations import matching
    from vecsim.operations.moments import parse_moment
    from vecsim.operations.opening import Sources, index_paths
    from vecsim.render import choose_format, summary
    from vecsim.search.score import check_threshold

    # Whatever can be wrong with the command itself is said before hours of work.
    choose_format(format_, output)
    moment = parse_moment(since) if since is not None else None
    if threshold is not None:
        check_threshold(threshold)
    options, work = as_source_options(values), as_work_options(values)
    with running() as run:
        sources = Sources(options, model, weights, work, watch=run.watch, stop=run.stop)
        places = [a] if b is None else [a, b]
        indexed = index_paths(places, sources)
    reports = [report for _, report in indexed]
    for place, (path, report) in zip(places, indexed, strict=True):
        if report is not None:
            note(f"{place}: {summary(report).replace('INDEX', str(path))}")
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
@click.argument("index", type=PATH)
@click.option("--url", "urls", multiple=True, help="A URL, file: URL or path; repeatable.")
@click.option("--id", "ids", multiple=True, help="The id of one of its own images; repeatable.")
@click.option("--csv", "source", metavar="SOURCE", help="A CSV, TSV, JSON lines file, folder or -.")
@_THRESHOLD
@click.option("-k", "--top-k", type=click.IntRange(1), help="The K best, whatever their score.")
@click.option("--weights", type=PATH, envvar="VECSIM_WEIGHTS", help="The model's weights file.")
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
    weights: Path | None,
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
    from vecsim.render import choose_format
    from vecsim.sources import read_source

    if sum(map(bool, (urls, ids, source))) != 1:
        raise click.UsageError("say what to look for: one of --url, --id or --csv.")
    choose_format(format_, output)
    options, work = as_source_options(values), as_work_options(values)
    failed: list[Failure] = []

    def report_failure(failure: Failure) -> None:
        failed.append(failure)
        note(f"{failure.ref.url or failure.ref.id}: {failure.kind}: {failure.message}")

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
                weights=weights,
                work=work,
                fields=fields,
                few=source is None and len(urls) <= 8,
                failed=report_failure,
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
    pairs = "1 pair" if writer.count == 1 else f"{writer.count:,} pairs"
    place = f", written to {output}" if output is not None and str(output) != "-" else ""
    note(f"{pairs}{' among ' + what if what else ''}{place}")
