"""The command cluster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.option_groups import command
from vecsim.cli.option_objects import as_search_request
from vecsim.cli.options import index_argument, output_options, report_option, threshold_option
from vecsim.cli.outputs import OutputOptions, as_output_options, note_without_thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecsim.index import Snapshot
    from vecsim.records import Cluster
    from vecsim.render.review import ReviewWriter


@command()
@index_argument
@threshold_option
@click.option(
    "--keep",
    type=click.Choice(["largest", "oldest", "first"]),
    default="largest",
    show_default=True,
    help="Image of each group to keep: most pixels, added first, or first id.",
)
@output_options
@report_option
def cluster(index: Path, keep: str, **values: Any) -> None:
    """Group near-duplicates and choose one of each group to keep.

    Images belong to one group if a chain of matches connects them, so the score of two images of a
    group can be below the threshold. Each row is an image: its group, whether to keep it, and its
    score with the image to keep. Images without a match are left out. Nothing is removed.

    \b
    Examples:
      vecsim cluster indexes/shop --report duplicates.html
      vecsim cluster indexes/shop --threshold 0.95 --keep oldest --output groups.csv
    """
    from vecsim.index import Snapshot
    from vecsim.operations.clustering import clusters
    from vecsim.operations.index_settings import threshold_of

    outputs = as_output_options(values)
    request = as_search_request(values)
    with Snapshot(index) as snapshot:
        found = clusters(snapshot, request, keep=keep)
        facts = (
            f"{snapshot.count:,} images",
            f"score ≥ {threshold_of(snapshot, request.threshold):g}",
            f"kept: the {keep}",
            snapshot.fingerprint.model,
        )
        _write_clusters(found, snapshot, outputs, (f"Groups in {index.name or index}", facts))


def _write_clusters(
    found: Iterable[Cluster],
    snapshot: Snapshot,
    outputs: OutputOptions,
    heading: tuple[str, tuple[str, ...]],
) -> None:
    """Write groups as rows and as a report, then how many there are.

    `heading`: title and facts of the report.
    """
    from vecsim.render.columns import cluster_columns, cluster_rows
    from vecsim.render.writer import open_rows

    groups = images = 0
    fields = snapshot.field_names
    with ExitStack() as opened:
        rows = page = None
        if outputs.has_rows:
            columns = cluster_columns(fields)
            rows = opened.enter_context(open_rows(columns, outputs.format, outputs.file))
        if outputs.report is not None:
            from vecsim.operations.group_scores import pair_scores
            from vecsim.operations.picture_details import details_of
            from vecsim.render.review import GroupFacts, ReviewHead, open_review

            head = ReviewHead(*heading, fields)
            page = opened.enter_context(open_review(outputs.report, head))
        for group in found:
            groups += 1
            images += len(group)
            if rows is not None:
                rows.write(cluster_rows(groups, group, fields))
            if page is not None:
                facts = GroupFacts(pair_scores(snapshot, group.keys), details_of(group))
                page.add(group, facts, snapshot.thumbnails)
    among = f"among {snapshot.count:,} images{outputs.written_to}"
    note(f"{counted(groups, 'group')} of {counted(images, 'image')} {among}")
    if outputs.report is not None and page is not None:
        _note_review(outputs.report, page, snapshot)


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
