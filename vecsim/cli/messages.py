"""Messages on standard error, and the exit status of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecsim.records import AddReport

SOME_FAILED = 3  # done, but some images failed
_REASONS = {
    ("pair", "missing"): "with an image that is not there any more",
    ("pair", "same file"): "of one file under two names",
    ("pair", "different"): "judged different",
    ("image", "missing"): "not there any more",
    ("image", "same file"): "another name of the same file",
}
INTERRUPTED = 130  # as shells expect of a program that was ended by Ctrl-C


def quiet() -> bool:
    """Whether --quiet was given."""
    context = click.get_current_context(silent=True)
    found = context.find_root().obj if context else None
    return bool(found and found.get("quiet"))


def counted(count: int, what: str) -> str:
    """Return a count with its noun: 1 image, 2,000 images."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def note(text: str) -> None:
    """Write a message to standard error, except with --quiet."""
    if not quiet():
        click.echo(text, err=True)


def note_hidden(hidden: Mapping[str, int], what: str) -> None:
    """Write how many pairs or images were left out, and why; nothing if none was.

    `hidden`: counts by reason: see `vecsim.operations.hiding`. `what`: "pair" or "image".
    """
    if not hidden:
        return
    reasons = [f"{count:,} {_REASONS[what, reason]}" for reason, count in sorted(hidden.items())]
    total = counted(sum(hidden.values()), what)
    note(f"{total} left out: {', '.join(reasons)}. --show-all shows them.")


def note_run(place: object, index: Path, report: AddReport) -> None:
    """Write what a run did with `place`, and how many images failed in earlier runs."""
    from vecsim.index import Snapshot
    from vecsim.render import summarize_run

    note(f"{place}: {summarize_run(report)}")
    if report.warned:
        note(f"{report.warned:,} decoded with warnings: see `vecsim failures {index} --warnings`.")
    if report.interrupted:
        note("Interrupted: completed work is kept. Run the same command again to continue.")
    elif report.failed:
        note(f"`vecsim failures {index}` lists them, `vecsim retry {index}` tries them again.")
    if report.failed or not report.skipped:
        return
    with Snapshot(index) as snapshot:
        failed = sum(snapshot.failures_by_kind().values())
    if failed:
        images = counted(failed, "image")
        note(f"{images} failed in an earlier run: `vecsim retry {index}` tries them again.")


def status_of(*reports: AddReport) -> int:
    """Return the exit status after runs: interrupted, some images failed, or done."""
    if any(report.interrupted for report in reports):
        return INTERRUPTED
    return SOME_FAILED if any(report.failed for report in reports) else 0
