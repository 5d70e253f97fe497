"""The command cluster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, in_shell, note, note_hidden
from vecsim.cli.next_steps import note_next_of_groups
from vecsim.cli.option_objects import as_search_request
from vecsim.cli.options import (
    PATH,
    engine_options,
    model_options,
    output_options,
    report_option,
    show_all_option,
    source_options,
    threshold_option,
    work_options,
)
from vecsim.cli.outputs import (
    OutputOptions,
    as_output_options,
    note_not_turned,
    note_without_thumbnail,
    title_of,
    written_to,
)
from vecsim.cli.parameters import (
    command,
    index_or_source_argument,
    options_under,
    orientations_option,
)
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import index_places, start_early
from vecsim.cli.wait_options import source_wait_option

if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.operations.clustering import Clusters
    from vecsim.render.review import ReviewWriter

_group = options_under("Group options")


@command()
@index_or_source_argument
@threshold_option
@show_all_option
@orientations_option("Orientations or parts to compare, which an index must store [default: none].")
@_group(
    "--linkage",
    type=click.Choice(["medoid", "complete", "components"]),
    default="medoid",
    show_default=True,
    help="Groups in which all images match one of them, all match each other, or a chain of "
    "matches connects them.",
)
@_group(
    "--keep",
    type=click.Choice(["largest", "oldest", "first"]),
    default="largest",
    show_default=True,
    help="Image of each group to keep: most pixels, oldest, or first id.",
)
@_group(
    "--prefer",
    type=PATH,
    multiple=True,
    metavar="FOLDER",
    help="Of equally good images, keep the one in this folder; repeatable, the first one wins.",
)
@_group(
    "--reference",
    type=PATH,
    multiple=True,
    metavar="FOLDER",
    help="Never give up an image of this folder; repeatable.",
)
@output_options
@report_option
@source_options
@source_wait_option
@model_options
@work_options
@engine_options
def cluster(place: str, linkage: str, keep: str, **values: Any) -> int:
    """Group near-duplicates and choose one of each group to keep.

    A SOURCE is indexed first; the index is kept, as by `vecsim match`, and used again next time.
    An index has a model of its own: --model is for sources.

    Each row is an image: its group, whether to keep it and why, its score with the image to keep,
    and the smallest score of any two images of the group. An image is given up only if it matches
    the image to keep itself. Images without a match are left out. Nothing is removed.

    The image with the most pixels is kept. Of equally large ones, the original is: with the data of
    a camera, no screenshot, not from a messenger, no lossless copy of a lossy file, in colour; then
    one in a preferred folder, the oldest, the largest file, the shortest path.

    Pictures judged the same (`vecsim decisions`) are in one group, whatever their score. Those
    judged different are never in one group, even if others connect them.

    An image that is not there any more is never kept. Of a file under several names, links and
    mounts included, only one name is in a group, so the kept file is not given up under another.

    \b
    Examples:
      vecsim cluster ~/Pictures --report duplicates.html
      vecsim cluster indexes/shop --report duplicates.html
      vecsim cluster indexes/shop --threshold 0.95 --keep oldest --output groups.csv
      vecsim cluster indexes/photos --reference ~/Pictures/Albums --output groups.csv
    """
    start_early((place,), values)
    from vecsim.index import Snapshot
    from vecsim.operations.clustering import clusters
    from vecsim.operations.index_settings import threshold_of
    from vecsim.operations.requests import Grouping

    outputs = as_output_options(values)
    request = as_search_request(values)
    folders = {name: _existing(f"--{name}", values.pop(name)) for name in ("prefer", "reference")}
    grouping = Grouping(linkage, keep, **folders)
    indexed = index_places([place], values, orientations=request.orientations)
    if indexed.interrupted:
        return indexed.status
    with Snapshot(indexed.paths[0]) as snapshot:
        found = clusters(snapshot, request, grouping)
        facts = (
            f"{snapshot.count:,} images",
            f"score ≥ {threshold_of(snapshot, request.threshold, request.orientations):g}",
            f"linkage {linkage}",
            f"kept: the {keep}",
            snapshot.fingerprint.model,
        )
        _write_clusters(found, snapshot, outputs, (f"Groups in {title_of([place])}", facts))
    return indexed.status


def _existing(option: str, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return `folders`. Raises `UsageError` for one that does not exist."""
    for folder in folders:
        if not folder.is_dir():
            raise click.UsageError(f"{option} {folder}: there is no such folder.")
    return folders


def _write_clusters(
    found: Clusters,
    snapshot: Snapshot,
    outputs: OutputOptions,
    heading: tuple[str, tuple[str, ...]],
) -> None:
    """Write groups as rows and as a report, then how many there are.

    `heading`: title and facts of the report.
    """
    from vecsim.render.columns import cluster_columns, cluster_rows
    from vecsim.render.formats import open_rows

    groups = images = 0
    fields = snapshot.field_names
    with ExitStack() as opened:
        rows = page = None
        if outputs.has_rows:
            columns = cluster_columns(fields, oriented=found.oriented)
            rows = opened.enter_context(open_rows(columns, outputs.format, outputs.file))
        if outputs.report is not None:
            from vecsim.operations.clustering import pair_scores
            from vecsim.operations.picture_facts import details_of
            from vecsim.render.review import GroupFacts, ReviewHead, open_review

            head = ReviewHead(*heading, fields, found.oriented)
            page = opened.enter_context(open_review(outputs.report, head))
        for group in found:
            groups += 1
            images += len(group)
            if rows is not None:
                rows.write(cluster_rows(groups, group, fields))
            if page is not None:
                scores = pair_scores(snapshot, group.keys, found.codes)
                facts = GroupFacts(scores, details_of(group))
                page.add(group, facts, snapshot.thumbnails)
    facts_of_run = {"groups": groups, "images": images, "output": outputs.file}
    current_run().add("results", {**facts_of_run, "report": outputs.report})
    among = f"among {snapshot.count:,} images{written_to(outputs.file)}"
    note_not_turned(found.not_turned, snapshot)
    note(f"{counted(groups, 'group')} of {counted(images, 'image')} {among}")
    note_hidden(found.hidden, "image")
    if found.separated:
        pairs = counted(found.separated, "pair")
        note(f"{pairs} judged different: in no group together. --show-all ignores that.")
    if found.contradictions:
        count = counted(len(found.contradictions), "contradiction")
        note(
            f"{count} among the decisions: see `vecsim decisions {in_shell(snapshot.folder.path)}`."
        )
    if outputs.report is not None and page is not None:
        _note_review(outputs.report, page, snapshot)
    note_next_of_groups(groups, outputs, snapshot.folder.path)


def _note_review(report: Path, page: ReviewWriter, snapshot: Snapshot) -> None:
    """Write where the page of groups is and what it lacks."""
    note(f"{report}: a page to review {counted(page.count, 'group')}")
    if page.left_out:
        note(
            f"It leaves out {counted(page.left_out, 'further group')}: a higher --threshold gives "
            f"a complete page. The rows are complete."
        )
    if page.over_limit:
        note(
            f"It has no thumbnails of {counted(page.over_limit, 'image')}, to stay small; opened "
            f"on this machine, it shows their files instead."
        )
    note_without_thumbnail(page.without_picture, snapshot)
