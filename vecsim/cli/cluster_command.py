"""The command cluster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.option_groups import command
from vecsim.cli.options import (
    index_argument,
    output_options,
    report_option,
    threshold_option,
)
from vecsim.cli.outputs import (
    check_output,
    check_report,
    tell_report,
)


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
def cluster(
    index: Path,
    threshold: float | None,
    keep: str,
    format_: str | None,
    output: Path | None,
    report: Path | None,
) -> None:
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
    from vecsim.operations.requests import SearchRequest
    from vecsim.render.columns import cluster_columns, cluster_rows
    from vecsim.render.destination import is_terminal
    from vecsim.render.report import ReportHead, cluster_block, open_report
    from vecsim.render.writer import open_rows

    check_output(format_, output)
    check_report(report)
    request = SearchRequest(threshold)
    groups = images = 0
    only_page = report is not None and format_ is None and output is None and is_terminal(output)
    with Snapshot(index) as snapshot, ExitStack() as opened:
        found = clusters(snapshot, request, keep=keep)
        fields = snapshot.field_names
        rows = page = None
        if not only_page:
            rows = opened.enter_context(open_rows(cluster_columns(fields), format_, output))
        if report is not None:
            head = ReportHead(
                f"Groups in {index.name or index}",
                (
                    f"{snapshot.count:,} images",
                    f"score from {threshold_of(snapshot, threshold):g}",
                    f"kept: the {keep}",
                    snapshot.fingerprint.model,
                ),
                fields,
                fields,
                itself=True,
                group="component",
                names=("kept", "duplicate"),
            )
            page = opened.enter_context(open_report(report, head))
        for group in found:
            groups += 1
            images += len(group)
            if rows is not None:
                rows.write(cluster_rows(groups, group, fields))
            if page is not None:
                page.add(cluster_block(group), snapshot.thumbnails, snapshot.thumbnails)
        size = f"{snapshot.count:,} images"
    place = f", written to {output}" if output is not None and str(output) != "-" else ""
    note(f"{counted(groups, 'group')} of {counted(images, 'image')} among {size}{place}")
    if report is not None and page is not None:
        tell_report(report, page, snapshot, snapshot)
