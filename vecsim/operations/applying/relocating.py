"""Moves a file to another folder or into the trash, and back."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from vecsim import files
from vecsim.operations.applying.entries import (
    REPLACED,
    SkippedError,
    copy_entry,
    is_entry,
    restore_facts,
)
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.renaming import rename_new
from vecsim.operations.applying.trash import delete_info, write_info


def move(step: Step) -> None:
    """Move the file to `step.target`, durably. Raises `SkippedError`, OSError."""
    target = _target_of(step)
    for folder in step.folders:
        folder.mkdir(mode=0o700 if step.info else 0o777, exist_ok=True)
        files.sync(folder.parent)
    if step.info is not None:
        write_info(step.info, step.path)
    try:
        rename_new(step.path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_by_copy(step, target)
    else:
        _sync(target.parent, step.path.parent)
        if not is_entry(target, step.entry, step.sha256):
            rename_new(target, step.path)
            raise SkippedError(REPLACED)


def _move_by_copy(step: Step, target: Path) -> None:
    """Copy to another file system, check the copy, and delete the file."""
    partial = _partial(target, step)
    partial.unlink(missing_ok=True)
    copy_entry(step.path, partial, step.entry, step.sha256)
    rename_new(partial, target)
    files.sync(target.parent)
    discard(step)


def discard(step: Step) -> None:
    """Delete the file at `step.path`, if it is still the one that was checked.

    Raises `SkippedError`, OSError. The name is changed first, so that a file that takes its place
    in this moment is not deleted.
    """
    rename_new(step.path, step.aside)
    files.sync(step.path.parent)
    if not is_entry(step.aside, step.entry, step.sha256):
        rename_new(step.aside, step.path)
        raise SkippedError(REPLACED)
    step.aside.unlink()
    files.sync(step.path.parent)


def settle_move(step: Step) -> bool:
    """Finish or take back what an interrupted move left; returns whether the file has moved."""
    target = _target_of(step)
    _partial(target, step).unlink(missing_ok=True)
    arrived = is_entry(target, step.entry, step.sha256)
    if os.path.lexists(step.aside) and is_entry(step.aside, step.entry, step.sha256):
        if arrived:
            step.aside.unlink()
        elif not os.path.lexists(step.path):
            rename_new(step.aside, step.path)
    if arrived and os.path.lexists(step.path) and is_entry(step.path, step.entry, step.sha256):
        target.unlink()  # a copy on another file system, before the file was deleted
        arrived = False
    if not arrived:
        _forget_target(step)
    with suppress(OSError):
        _sync(step.path.parent, target.parent)
    return arrived


def move_back(step: Step) -> None:
    """Bring a moved file back to its place, with its mode and times. Raises `SkippedError`."""
    target = _target_of(step)
    there, back = (os.path.lexists(path) for path in (target, step.path))
    if back and is_entry(step.path, step.entry, step.sha256):
        # An interrupted undo has brought it back; a copy on another file system may be left.
        if there and is_entry(target, step.entry, step.sha256):
            target.unlink()
    elif back:
        raise SkippedError("another file is at its place now")
    elif not there:
        raise SkippedError(f"it is not at {target} any more")
    elif not is_entry(target, step.entry, step.sha256):
        raise SkippedError(f"{target} has changed")
    else:
        _rename_back(step, target)
    restore_facts(step.path, step.entry)
    _sync(step.path.parent, target.parent)
    _forget_target(step)


def _rename_back(step: Step, target: Path) -> None:
    step.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        rename_new(target, step.path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        step.aside.unlink(missing_ok=True)
        copy_entry(target, step.aside, step.entry, step.sha256)
        rename_new(step.aside, step.path)
        files.sync(step.path.parent)
        target.unlink()


def _forget_target(step: Step) -> None:
    """Delete what was made for a file that is not at its target: folders, notes of the trash."""
    if step.info is not None:
        delete_info(step.info, step.path)
        return
    for folder in reversed(step.folders):
        with suppress(OSError):  # other files are in it
            folder.rmdir()


def _partial(target: Path, step: Step) -> Path:
    """Return the temporary name beside `target`, the same each time."""
    return target.parent / step.aside.name


def _target_of(step: Step) -> Path:
    assert step.target is not None, "a step that moves a file has a target"
    return step.target


def _sync(*folders: Path) -> None:
    for folder in set(folders):
        with suppress(FileNotFoundError):  # an earlier try has deleted it again
            files.sync(folder)
