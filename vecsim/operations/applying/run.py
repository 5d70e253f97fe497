"""Applies a list: acts on the files that it gives up, and takes them out of the index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.writer import Writer
from vecsim.operations.applying.actions import FILE_ACTIONS
from vecsim.operations.applying.entries import (
    REPLACED,
    Entry,
    SkippedError,
    check_bytes,
    read_entry,
)
from vecsim.operations.applying.journal import Claim, Journal, Recorded, Step
from vecsim.operations.applying.left_images import left_event
from vecsim.operations.applying.places import Places
from vecsim.operations.applying.plan import GivenUp, Plan, absolute_path, make_plan
from vecsim.operations.applying.requests import (
    LINKS,
    ApplyProgress,
    ApplyReport,
    ApplyRequest,
    Choice,
    Outcome,
    no_progress,
)
from vecsim.records import Embedded

_ROWS = 1000


def apply_choices(
    index: Path,
    choices: Sequence[Choice],
    request: ApplyRequest,
    progress: ApplyProgress = no_progress,
) -> ApplyReport:
    """Act on the files that a list gives up; those that leave their place leave the index too.

    The whole list is checked first; then each file is checked again before it is touched, and left
    as it is where a check fails (`Outcome.why`). What an interrupted run with the same journal left
    is finished first. `progress` is called after each file. Raises `InputError`, `UnknownIdError`,
    `UsageError`, `IndexLockedError`, `StorageError` (the journal cannot be written).
    """
    if request.journal is None or not request.acts:
        with Snapshot(index) as snapshot:
            plan = make_plan(snapshot, choices, request.threshold)
            return ApplyReport(_outcomes(plan, Places(snapshot, request), None, progress))
    # The index must not change between the check of the list and the end of the run.
    with Writer(index, wait=request.wait) as writer, Snapshot(index) as snapshot:
        plan = make_plan(snapshot, choices, request.threshold)
        places = Places(snapshot, request)
        report = ApplyReport(journal=request.journal)
        with Journal(request.journal, create=True) as journal:
            settle_all(journal)
            journal.restore_folders()
            journal.start_run(index, str(snapshot.fingerprint), request.method)
            try:
                report.outcomes = _outcomes(plan, places, journal, progress)
            finally:
                report.removed = _leave_index(journal, writer, snapshot)
                journal.restore_folders()
        return report


def _outcomes(
    plan: Plan, places: Places, journal: Journal | None, progress: ApplyProgress
) -> list[Outcome]:
    """Act on each file of the plan (only check it, without a journal)."""
    kept = set(_identities(plan.kept))
    earlier = {} if journal is None else {r.step.path: r.step for r in journal.in_state("done")}
    outcomes = []
    for given in plan.given_up:
        action, status, target, why = places.method, "planned", "", ""
        before = earlier.get(given.path)
        try:
            if before is not None and _is_still_done(before):
                action, status, target = before.action, "done", str(before.target or "")
            else:
                step = places.step(given, _check(given, kept, places.method))
                target = str(step.target or "")
                if journal is not None:
                    _perform(journal, step)
                    status = "done"
        except SkippedError as error:
            status, target, why = "skipped", "", str(error)
        outcomes.append(
            Outcome(status, action, given.image.ref, given.kept.ref, given.score, target, why)
        )
        progress(len(outcomes), len(plan.given_up))
    return outcomes + [_done_earlier(outcome, earlier) for outcome in plan.left]


def _is_still_done(step: Step) -> bool:
    """Whether a step that an earlier run did still holds: the file is away, or linked."""
    if step.action == "reflink":
        return step.path.is_file()
    if step.action in LINKS:
        return step.path.exists() and step.kept.exists() and step.path.samefile(step.kept)
    return not os.path.lexists(step.path)


def _done_earlier(outcome: Outcome, earlier: Mapping[Path, Step]) -> Outcome:
    """Return the outcome of an image that the plan leaves, perhaps because it has left before."""
    step = earlier.get(absolute_path(outcome.image.url) or Path())
    if step is None or outcome.status != "skipped" or not _is_still_done(step):
        return outcome
    return replace(
        outcome, status="done", action=step.action, target=str(step.target or ""), why=""
    )


def _identities(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with suppress(OSError):
            found = path.stat()
            yield found.st_dev, found.st_ino


def _check(given: GivenUp, kept: set[tuple[int, int]], method: str) -> Entry:
    """Check one file and the one that is kept for it, just before acting. Raises `SkippedError`."""
    entry = read_entry(given.path)
    identity = check_bytes(given.path, given.image.facts.sha256)
    if entry.link is None and identity != entry.identity:
        raise SkippedError(REPLACED)
    try:
        kept_identity = check_bytes(given.kept_path, given.kept.facts.sha256)
    except SkippedError as error:
        raise SkippedError(f"the kept file {given.kept_path}: {error}") from error
    if identity == kept_identity:
        raise SkippedError("it is the same file as the kept one")
    if identity in kept:
        raise SkippedError("it is the same file as one that the list keeps")
    if method in LINKS:
        if entry.link is not None:
            raise SkippedError("it is a link already")
        if given.image.facts.sha256 != given.kept.facts.sha256:
            raise SkippedError("its bytes differ from those of the kept file")
    return entry


# -- steps and their journal ---------------------------------------------------------------------


def _perform(journal: Journal, step: Step) -> None:
    """Do one step: recorded before and after. Raises `SkippedError` if the file is as it was."""
    begun = journal.begin(step)
    try:
        FILE_ACTIONS[begun.action].perform(begun)
    except (SkippedError, OSError) as error:
        why = reason_of(error)
        if not _settle(journal, begun, why):
            raise SkippedError(why) from error
    else:
        journal.end(begun, "done")


def _settle(journal: Journal, step: Step, why: str = "interrupted") -> bool:
    """Finish or take back an unfinished step; returns whether it is done."""
    try:
        done = FILE_ACTIONS[step.action].settle(step)
    except (SkippedError, OSError) as error:
        # The journal still calls it unfinished: the next run tries again.
        raise SkippedError(f"{why}; then {reason_of(error)}") from error
    journal.end(step, "done" if done else "aborted", "" if done else why)
    return done


def reason_of(error: SkippedError | OSError) -> str:
    """Return why a step failed, without the names of files."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


def settle_all(journal: Journal) -> None:
    """Finish or take back the steps that an interrupted run left."""
    for recorded in journal.in_state("begin"):
        with suppress(SkippedError):
            _settle(journal, recorded.step)


# -- the index -----------------------------------------------------------------------------------


def _leave_index(journal: Journal, writer: Writer, snapshot: Snapshot) -> int:
    """Remove the images whose files have left; the journal keeps what brings them back."""
    path = snapshot.folder.path.absolute()
    gone = {
        recorded.step.id: recorded
        for recorded in journal.in_state("done")
        if recorded.index == path
        and recorded.step.action not in LINKS
        and not os.path.lexists(recorded.step.path)
    }
    rows = snapshot.rows_of_ids(gone)
    leaving = [
        (gone[id_], row)
        for id_, row in rows.items()
        if absolute_path(row.ref.url) == gone[id_].step.path
    ]
    for start in range(0, len(leaving), _ROWS):
        part = leaving[start : start + _ROWS]
        journal.append(*_left_events(snapshot, part, _claims(writer, part)))
        writer.remove([row.ref.id for _, row in part])
    return len(leaving)


def _claims(writer: Writer, leaving: Sequence[tuple[Recorded, ImageRow]]) -> dict[str, list[Claim]]:
    """Return by id which sources list the images."""
    sources = writer.catalog.sources
    names = {source.number: source.name for source in sources.all()}
    owners = sources.owners(row.ref.id for _, row in leaving)
    return {
        id_: [(names[owner.source], owner.url) for owner in rows if owner.source in names]
        for id_, rows in owners.items()
    }


def _left_events(
    snapshot: Snapshot,
    leaving: Sequence[tuple[Recorded, ImageRow]],
    claims: Mapping[str, list[Claim]],
) -> Iterator[dict[str, object]]:
    thumbnails = snapshot.stored_thumbnails([row.key for _, row in leaving])
    for recorded, row in leaving:
        if recorded.left is None:
            key = np.array([row.key])
            (vector,) = snapshot.vectors_of(key)
            found = {code: snapshot.turned_of(key, code)[1] for code in snapshot.turned_counts()}
            turned = {code: vectors[0] for code, vectors in found.items() if len(vectors)}
            image = Embedded(row.ref, row.facts, vector, thumbnails.get(row.key, b""), turned)
            yield left_event(recorded.step.number, image, claims.get(row.ref.id, []))
