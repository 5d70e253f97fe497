"""Brings back what a journal records: files to their places, and their images to the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vecsim.errors import IndexLockedError, IndexMissingError, VecsimIndexError
from vecsim.index.writer import Writer
from vecsim.operations.applying.actions import FILE_ACTIONS
from vecsim.operations.applying.entries import SkippedError
from vecsim.operations.applying.journal import Journal, Recorded
from vecsim.operations.applying.left_images import image_of
from vecsim.operations.applying.requests import ApplyProgress, Returned, UndoReport, no_progress
from vecsim.operations.applying.run import reason_of, settle_all

_CHUNK = 1000


def undo(
    path: Path, *, wait: bool | float = False, progress: ApplyProgress = no_progress
) -> UndoReport:
    """Bring back the files that were moved, linked or put into the trash, the last one first.

    Each gets its mode and times back, and its image returns to the index with its vector, as added
    now. A folder that holds what it held before gets its times back. A file is left as it is if
    another one is at its place, or if it has changed. Deleted files are listed only. It can be
    repeated. `progress` is called after each file. Raises `InputError` (no journal),
    `IndexLockedError` unless `wait`, `StorageError`.
    """
    report = UndoReport()
    with Journal(path, create=False) as journal, ExitStack() as opened:
        writers = _open_indexes(journal, report, opened, wait)
        settle_all(journal)
        done = journal.in_state("done")
        for number, recorded in enumerate(reversed(done), 1):
            if recorded.step.action == "delete":
                report.deleted.append(str(recorded.step.path))
            else:
                report.files.append(_restore(journal, recorded))
            progress(number, len(done))
        journal.restore_folders()
        for recorded in journal.in_state("begin"):
            step = recorded.step
            why = f"its step was interrupted and cannot be finished: look at {step.aside}"
            report.files.append(Returned(str(step.path), step.action, why))
        for index, writer in writers.items():
            report.returned += _return_images(journal, index, writer)
    return report


def _open_indexes(
    journal: Journal, report: UndoReport, opened: ExitStack, wait: bool | float
) -> dict[Path, Writer]:
    """Open the indexes that images left; those that cannot take them back are reported."""
    writers: dict[Path, Writer] = {}
    for index, model in sorted({(r.index, r.model) for r in journal.steps.values() if _is_out(r)}):
        try:
            writer = opened.enter_context(Writer(index, wait=wait))
        except IndexLockedError:
            raise
        except IndexMissingError:
            report.lost_indexes.append(f"{index} is not there any more")
        except VecsimIndexError as error:
            report.lost_indexes.append(error.message.rstrip("."))
        else:
            if str(writer.fingerprint) == model:
                writers[index] = writer
            else:
                report.lost_indexes.append(f"{index} was built again with another model")
    return writers


def _is_out(recorded: Recorded) -> bool:
    """Whether the image of a step that can be undone has left its index."""
    return recorded.left is not None and not recorded.returned and recorded.step.action != "delete"


def _restore(journal: Journal, recorded: Recorded) -> Returned:
    step = recorded.step
    try:
        FILE_ACTIONS[step.action].restore(step)
    except (SkippedError, OSError) as error:
        return Returned(str(step.path), step.action, reason_of(error))
    journal.end(step, "undone")
    return Returned(str(step.path), step.action)


def _return_images(journal: Journal, index: Path, writer: Writer) -> int:
    """Return the images of restored files to the index, unless their ids are there again."""
    back = [
        recorded
        for recorded in journal.in_state("undone")
        if recorded.index == index and _is_out(recorded)
    ]
    count = 0
    for start in range(0, len(back), _CHUNK):
        part = back[start : start + _CHUNK]
        events = [each.left for each in part if each.left is not None]
        images = [image_of(event) for event in events]
        live = writer.catalog.images.by_id([image.ref.id for image in images])
        missing = {image.ref.id: image for image in images if image.ref.id not in live}
        writer.commit(list(missing.values()))
        count += len(missing)
        _return_claims(writer, events)
        journal.append(*({"event": "returned", "step": each.step.number} for each in part))
    return count


def _return_claims(writer: Writer, events: Sequence[Mapping[str, Any]]) -> None:
    """Let the sources that listed the images own them again, so that a sync follows them."""
    sources = writer.catalog.sources
    live = writer.catalog.images.by_id([event["id"] for event in events])
    with writer.catalog.transaction():
        for event in events:
            row = live.get(event["id"])
            if row is not None and row.ref.url == event["url"]:
                claims = event["claims"]
                sources.claim((row.ref.id, sources.register(n).number, url) for n, url in claims)
