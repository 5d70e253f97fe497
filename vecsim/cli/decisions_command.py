"""The command decisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.options import PATH, index_argument, output_options
from vecsim.cli.outputs import written_to
from vecsim.cli.parameters import command, options_under
from vecsim.cli.wait_options import wait_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecsim.operations.deciding import ImportedDecisions
    from vecsim.records import ImageRef

Pairs = tuple[tuple[str, str], ...]

_change = options_under("Changes")


@command()
@index_argument
@_change("--same", nargs=2, multiple=True, metavar="ID ID", help="Two images are the same.")
@_change("--different", nargs=2, multiple=True, metavar="ID ID", help="Two images are different.")
@_change("--forget", nargs=2, multiple=True, metavar="ID ID", help="Forget a decision.")
@_change("--forget-all", is_flag=True, help="Forget all decisions of the index.")
@_change("--import", "source", metavar="LIST", help="Take decisions from a list of pairs.")
@_change(
    "--queries",
    type=PATH,
    metavar="INDEX",
    help="Index of the first image of each pair [default: the same index].",
)
@wait_option
@output_options
def decisions(
    index: Path,
    same: Pairs,
    different: Pairs,
    forget: Pairs,
    forget_all: bool,
    source: str | None,
    queries: Path | None,
    wait: bool | float,
    format_: str | None,
    output: Path | None,
) -> None:
    """List what was decided about pairs of pictures, or change it.

    Pairs that were judged different are not shown again by match, query and cluster. Pictures that
    were judged the same stay in one group of cluster, even if their score is below the threshold. A
    decision belongs to the bytes of both files, so it survives new names, ids and URLs; a file that
    is saved again is a new picture. It is stored in the index; match A B uses those of both.

    LIST is a list that vecsim wrote: decisions of an index, the judgements of a report or a review,
    or the answers of calibrate's page. After match A B, import it into B and name A with --queries.

    \b
    Examples:
      vecsim decisions indexes/shop
      vecsim decisions indexes/shop --different 4711 4712
      vecsim decisions indexes/shop --import judgements.csv
      vecsim decisions indexes/supplier --import judgements.csv --queries indexes/shop
      vecsim decisions indexes/shop --output decisions.csv
    """
    from vecsim.operations import deciding
    from vecsim.sources import read_decided_pairs

    changes = [bool(same or different), bool(forget), forget_all, source is not None]
    _check_changes(sum(changes), writes_list=bool(format_ or output))
    if queries is not None and not (same or different or source):
        raise click.UsageError("--queries is for --same, --different and --import.")
    if same or different:
        judged = {"same": same, "different": different}
        decided = [(*pair, verdict) for verdict, pairs in judged.items() for pair in pairs]
        deciding.decide(index, decided, queries=queries, wait=wait)
        for verdict, pairs in judged.items():
            if pairs:
                note(f"{index}: {counted(len(pairs), 'pair')} remembered as {verdict}.")
    elif forget_all:
        count = deciding.forget_all(index, wait=wait)
        note(f"{index}: {counted(count, 'decision')} forgotten.")
    elif forget:
        count = deciding.forget(index, forget, wait=wait)
        note(f"{index}: {counted(count, 'decision')} forgotten.")
    elif source is not None:
        listed = read_decided_pairs(source)
        done = deciding.import_decisions(index, listed, queries=queries, wait=wait)
        _note_imported(index, done)
    else:
        _list(index, format_, output)
        return
    _, contradictions = deciding.list_decisions(index)
    _note_contradictions(contradictions)


def _check_changes(count: int, *, writes_list: bool) -> None:
    """Refuse several changes in one command, and a list together with a change."""
    if count > 1:
        raise click.UsageError(
            "one change at a time: --same and --different, --forget, --forget-all, or --import."
        )
    if count and writes_list:
        raise click.UsageError("--format and --output are for listing decisions.")


def _list(index: Path, format_: str | None, output: Path | None) -> None:
    """Write the decisions of an index as a table, and the contradictions as messages."""
    from vecsim.operations import deciding
    from vecsim.render import write_rows
    from vecsim.render.columns import decision_columns, decision_rows

    listed, contradictions = deciding.list_decisions(index)
    write_rows(decision_columns(), decision_rows(listed), format_, output)
    note(f"{index}: {counted(len(listed), 'decision')}{written_to(output)}")
    _note_contradictions(contradictions)


def _note_imported(index: Path, done: ImportedDecisions) -> None:
    """Write what an import did."""
    parts = [f"{counted(done.stored, 'decision')} stored"]
    if done.known:
        parts.append(f"{done.known:,} known already")
    note(f"{index}: {', '.join(parts)}.")
    for count, why in (
        (done.unknown, "of images that are not in the index, or have another URL there"),
        (done.without_bytes, "of images of which only the vectors are known"),
        (done.identical, "of two files with the same bytes, about which nothing can be decided"),
    ):
        if count:
            note(f"{counted(count, 'pair')} left out: {why}.")


def _note_contradictions(chains: Sequence[tuple[ImageRef | str, ...]]) -> None:
    """Write each chain of same pictures whose ends are different."""
    for chain in chains:
        names = [image[:12] if isinstance(image, str) else image.id for image in chain]
        note(
            f"Contradiction: {names[0]} and {names[-1]} are different, but "
            f"{' = '.join(names)} are the same."
        )
