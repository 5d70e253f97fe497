"""The command match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vecsim.cli.messages import note, note_left_out, without_progress
from vecsim.cli.next_steps import note_next_of_pairs
from vecsim.cli.option_objects import as_search_request
from vecsim.cli.options import (
    PATH,
    engine_options,
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
from vecsim.cli.parameters import command, complete_files, options_under, orientations_option
from vecsim.cli.runs import index_places, start_early
from vecsim.cli.wait_options import source_wait_option

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
@orientations_option("Compare images of A, or of both, turned or by parts too [default: none].")
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
@source_wait_option
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
    start_early((a, b), values)
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
        note_left_out(found.left_out, request.skip_placeholders)
        title = title_of(places)
        searched = Searched(
            title if b is not None else f"{title}, matched with itself",
            f"{queries.count:,} x {references.count:,} images",
            (f"score ≥ {threshold_of(references, request.threshold, request.orientations):g}",),
            references,
            queries,
            names,
        )
        count = write_matches(found, outputs, searched, progress)
        if matrix is not None:
            codes = codes_of(request.orientations or "none")
            shape = matching.write_matrix(queries, references, matrix, codes)
            note(f"{matrix}: {shape[0]:,} x {shape[1]:,} scores")
        note_next_of_pairs(count, outputs, itself=a if b is None else None)
    return indexed.status
