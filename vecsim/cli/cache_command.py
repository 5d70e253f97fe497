"""The command `cache`: the indexes of sources that `match` keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vecsim.cli.messages import counted, note
from vecsim.cli.option_groups import command
from vecsim.cli.options import output_options

if TYPE_CHECKING:
    from vecsim.operations.source_indexes import CachedIndex

_COLUMNS = ("index", "source", "model", "images", "megabytes", "used", "holds")


@command()
@click.argument("action", type=click.Choice(["list", "clean"]), default="list")
@click.option("--all", "every", is_flag=True, help="Clean: also those whose source still exists.")
@click.option("--older-than", metavar="WHEN", help="Clean: only those not used since.")
@click.option("--force", is_flag=True, help="Clean: also those that hold decisions or a threshold.")
@output_options
def cache(
    action: str,
    every: bool,
    older_than: str | None,
    force: bool,
    format_: str | None,
    output: Path | None,
) -> None:
    """List or delete the indexes that `match` keeps of its sources.

    `clean` deletes the indexes of sources that are no longer there. An index that holds decisions
    about pairs or a calibrated threshold is kept unless --force is given. The images of a deleted
    one are downloaded again when its source is matched again.

    \b
    Examples:
      vecsim cache
      vecsim cache clean
      vecsim cache clean --all --older-than 30d
    """
    from vecsim.operations.source_indexes import cached_indexes
    from vecsim.render import write_rows

    if action == "clean":
        _clean(every, older_than, force)
        return
    write_rows(_COLUMNS, map(_row, cached_indexes()), format_, output)


def _row(index: CachedIndex) -> list[str | int | float | None]:
    size = round(index.byte_count / 1e6, 1)
    holds = index.damage or ", ".join(_work(index))
    used = index.used_at[:16].replace("T", " ")
    return [str(index.path), index.source, index.model, index.images, size, used, holds]


def _work(index: CachedIndex) -> list[str]:
    """Describe what an index holds that only a person can make again."""
    work = [counted(index.decisions, "decision")] if index.decisions else []
    if index.threshold is not None:
        work.append(f"threshold {index.threshold:g}")
    return work


def _clean(every: bool, older_than: str | None, force: bool) -> None:
    from vecsim.errors import IndexLockedError
    from vecsim.operations.requests import parse_timestamp
    from vecsim.operations.source_indexes import cached_indexes, delete_cached

    before = parse_timestamp(older_than) if older_than is not None else None
    deleted = freed = 0
    for index in cached_indexes():
        if not (every or index.is_orphan) or (before is not None and index.used_at >= before):
            continue
        if index.holds_work and not force:
            note(f"{index.path}: kept, holds {' and '.join(_work(index))}. --force deletes it too.")
            continue
        try:
            delete_cached(index)
        except IndexLockedError:
            note(f"{index.path}: kept, another process uses it.")
            continue
        lost = f", with {' and '.join(_work(index))}" if index.holds_work else ""
        note(f"{index.path}: deleted{lost}.")
        deleted += 1
        freed += index.byte_count
    note(f"{deleted:,} index{'' if deleted == 1 else 'es'} deleted, {freed / 1e6:,.1f} MB.")
