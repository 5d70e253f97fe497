"""The command calibrate."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import counted, note, note_hidden
from vecsim.cli.options import PATH, model_options, output_options, source_options, work_options
from vecsim.cli.outputs import (
    OutputOptions,
    as_output_options,
    check_page,
    note_missing_thumbnails,
    title_of,
)
from vecsim.cli.parameters import command, complete_files
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import index_places, start_early, with_counts
from vecsim.cli.wait_options import source_wait_option

if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.operations.calibrating import Calibration


@dataclass(frozen=True, slots=True)
class _CalibrateOptions:
    """The command's own options. Raises `UsageError` or `StorageError` before any work."""

    plot: Path | None
    label: Path | None
    pairs: int
    seed: int
    labels: tuple[Path, ...]
    precision: float
    apply: bool
    show_all: bool

    def __post_init__(self) -> None:
        check_page("--plot", self.plot, ".png")
        check_page("--label", self.label)
        if self.apply and not self.labels:
            raise click.UsageError(
                "--apply stores a recommended threshold: give --labels FILE.csv too."
            )


@command()
@click.argument("a", shell_complete=complete_files)
@click.argument("b", required=False, shell_complete=complete_files)
@click.option(
    "--plot",
    type=PATH,
    metavar="FILE.html|FILE.png",
    help="Draw the curve as a page or a PNG (needs vecsim[plot]).",
)
@click.option(
    "--label",
    type=PATH,
    metavar="FILE.html",
    help="Write a page of pairs to label; with --labels, of pairs near the best threshold.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="Pairs on the page of --label.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed of the pairs of --label.")
@click.option(
    "--labels",
    type=PATH,
    multiple=True,
    metavar="FILE.csv",
    help="Answers exported from such a page; repeatable, all files are combined.",
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Recommend the lowest threshold that has at least this precision with 95 % confidence.",
)
@click.option(
    "--apply",
    is_flag=True,
    help="Store the recommended threshold in the index (of two, in B) as its default.",
)
@click.option("--show-all", is_flag=True, help="Count pairs with a picture of one colour too.")
@output_options
@source_options
@source_wait_option
@model_options
@work_options
def calibrate(a: str, b: str | None, **values: Any) -> int:
    """Find a good threshold: count matches, label pairs.

    All pairs are scored exactly; those with a picture of one colour are left out, as `match` does,
    unless --show-all. --label writes a page of 50 pairs that you label as same or
    different, one key an answer. The page exports a CSV; from it, --labels estimates precision and
    recall at each threshold, with 95 % intervals, and recommends the lowest threshold whose
    interval of precision begins at --precision or above. Where 50 answers are too few for that,
    --labels and --label together write a page of further pairs above the likely threshold.

    \b
    Examples:
      vecsim calibrate indexes/shop --plot curve.html
      vecsim calibrate indexes/shop --label label.html
      vecsim calibrate indexes/shop --labels answers.csv --apply
      vecsim calibrate shop.csv supplier.csv --labels answers.csv --label more.html
    """
    start_early((a, b), values)
    from vecsim.operations.calibrating import calibration
    from vecsim.operations.index_settings import store_threshold
    from vecsim.operations.matching import open_pair

    outputs = as_output_options(values)
    options = _CalibrateOptions(**{f.name: values.pop(f.name) for f in fields(_CalibrateOptions)})
    places = [a] if b is None else [a, b]
    wait = values["wait"]
    indexed = index_places(places, values)
    if indexed.interrupted:
        return indexed.status
    with open_pair(indexed.paths) as (queries, references):
        found = with_counts(
            lambda progress: calibration(
                *(queries, references, options.labels, options.precision),
                show_all=options.show_all,
                progress=progress,
            )
        )
        if not (outputs.is_default and (options.plot or options.label)):
            _write_rows(found, outputs)
        _note_result(found)
        if options.plot is not None:
            _write_plot(options.plot, places, found)
        if options.label is not None:
            _write_label_page(options.label, options, places, found, queries, references)
    if options.apply:
        if found.recommended is None:
            raise click.ClickException("no threshold was stored: none can be recommended yet.")
        store_threshold(indexed.paths[-1], found.recommended.threshold, wait=wait)
        note(f"{indexed.paths[-1]}: default threshold is now {found.recommended.threshold:g}.")
    return indexed.status


def _write_rows(found: Calibration, outputs: OutputOptions) -> None:
    """Write the counts and estimates at each threshold."""
    from vecsim.render import choose_format, write_rows
    from vecsim.render.columns import calibration_columns, calibration_rows

    columns = calibration_columns(found.estimates is not None)
    rows = calibration_rows(found.counts, found.estimates)
    if choose_format(outputs.format, outputs.file) == "table":
        rows = (row for row in rows if row[1])  # steps without pairs are left out for readers
    write_rows(columns, rows, outputs.format, outputs.file)


def _note_result(found: Calibration) -> None:
    """Write how many pairs match, what the labels say, and the recommended threshold."""
    current_run().facts["pairs"] = found.counts.total
    note(f"{counted(found.counts.total, 'pair')} scored.")
    note_hidden(found.hidden, "pair")
    if found.present is not None:
        note(f"{found.present_matches:,} match at the current threshold, {found.present:g}.")
    if found.answered is None or found.estimates is None:
        return
    labels = found.answered.labels
    same = int(labels.same.sum())
    parts = [f"{same:,} same", f"{len(labels) - same:,} different"]
    if found.answered.skipped:
        parts.append(f"{found.answered.skipped:,} skipped")
    note(f"{counted(len(labels) + found.answered.skipped, 'answer')}: {', '.join(parts)}.")
    if found.answered.obsolete:
        note(
            f"{counted(found.answered.obsolete, 'answer')} left out: their images were removed "
            f"from the index, have changed, or are of one colour."
        )
    _note_recommendation(found)


def _note_recommendation(found: Calibration) -> None:
    """Write the recommended threshold, or how many more answers are needed for one."""
    best = found.recommended
    if best is None:
        note(
            f"No threshold can be recommended yet: the 95 % interval of precision begins at "
            f"{found.precision:g} or above at none of them. About {found.labels_missing} more "
            f"answers are needed: run the same command with --label more.html, then give both "
            f"files with --labels."
        )
        return
    precision, recall = (
        f"{share.value:.3f} (95 % interval {share.low:.3f} to {share.high:.3f})"
        for share in (best.precision, best.recall)
    )
    note(
        f"Recommended threshold: {best.threshold:g}, the lowest that these answers show to have "
        f"a precision of at least {found.precision:g}."
    )
    note(f"  matches:   {best.matches:,}")
    note(f"  precision: {precision}")
    note(f"  recall:    {recall}, of the same pictures with a score of at least {found.floor:g}")


def _write_plot(plot: Path, places: list[str], found: Calibration) -> None:
    """Write the curve as a page or a PNG."""
    from vecsim.render.calibration_curve import plot_calibration

    plot_calibration(plot, title_of(places), found)
    note(f"{plot}: the curve")


def _write_label_page(
    page: Path,
    options: _CalibrateOptions,
    places: list[str],
    found: Calibration,
    queries: Snapshot,
    references: Snapshot,
) -> None:
    """Write the page of pairs to label, then the command that uses its answers."""
    from vecsim.operations.calibrating import pairs_to_label
    from vecsim.render.report import write_pairs_to_label

    drawn = pairs_to_label(queries, references, found, options.pairs, seed=options.seed)
    written, answers = write_pairs_to_label(
        page, title_of(places), drawn, (queries, references), earlier=len(options.labels)
    )
    pairs = counted(written.count, "pair")
    note(f"{page}: a page of {pairs} to label. Open it in a browser, then:")
    given = [word for file in (*options.labels, answers) for word in ("--labels", str(file))]
    note(f"  vecsim calibrate {shlex.join([*places, *given])}")
    note_missing_thumbnails(written, queries, references)
