"""What each method does with a file: moves, deletions, links; how each is finished or undone."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vecsim import files, system
from vecsim.operations.applying.entries import (
    REPLACED,
    SkippedError,
    copy_entry,
    exchange,
    hash_file,
    is_entry,
    read_entry,
    rename_new,
    restore_facts,
)
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.places import delete_info, write_info


@dataclass(frozen=True, slots=True)
class FileAction:
    """What a method does with a file.

    `perform`: do it. `settle`: finish or take back what an interrupted `perform` left; returns
    whether it is done. `restore`: bring the file back. All raise `SkippedError` and OSError.
    """

    perform: Callable[[Step], None]
    settle: Callable[[Step], bool]
    restore: Callable[[Step], None]


# -- moving, into the trash too ------------------------------------------------------------------


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
    delete(step)


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
    """Delete the folders and the trash description of a file that is not at its target."""
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


# -- deleting ------------------------------------------------------------------------------------


def delete(step: Step) -> None:
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


def settle_deletion(step: Step) -> bool:
    """Bring a file back whose deletion was interrupted; returns whether it is gone."""
    if os.path.lexists(step.aside) and not os.path.lexists(step.path):
        rename_new(step.aside, step.path)
        with suppress(OSError):
            files.sync(step.path.parent)
    return not os.path.lexists(step.path)


def refuse(step: Step) -> None:
    """Say that a deleted file cannot be brought back."""
    raise SkippedError("it was deleted, which cannot be undone")


# -- linking -------------------------------------------------------------------------------------


def link(step: Step) -> None:
    """Replace the file by a link to `step.kept`, durably. Raises `SkippedError`, OSError.

    The two names are exchanged in one step, so that the name never is without its bytes.
    """
    _make_link(step, Path(os.path.realpath(step.kept)))
    if not _has_bytes(step.aside, step.sha256):
        step.aside.unlink()
        raise SkippedError("the bytes of the kept file changed meanwhile")
    if not is_entry(step.path, step.entry, step.sha256):
        step.aside.unlink()
        raise SkippedError(REPLACED)
    if not exchange(step.aside, step.path):
        os.replace(step.aside, step.path)
    elif is_entry(step.aside, step.entry, step.sha256):
        files.sync(step.path.parent)
        step.aside.unlink()
    else:
        if exchange(step.aside, step.path):
            step.aside.unlink()
        raise SkippedError(REPLACED)
    files.sync(step.path.parent)


def _make_link(step: Step, kept: Path) -> None:
    """Make the link at `step.aside`."""
    if step.action == "hardlink":
        os.link(kept, step.aside)
    elif step.action == "symlink":
        step.aside.symlink_to(os.path.relpath(kept, os.path.realpath(step.aside.parent)))
    else:
        with kept.open("rb") as source, step.aside.open("xb") as clone:
            try:
                system.share_blocks(source, clone)
            except OSError:
                step.aside.unlink()
                raise
            os.fsync(clone)
        restore_facts(step.aside, step.entry)


def settle_link(step: Step) -> bool:
    """Take back what an interrupted step left; returns whether the file was replaced."""
    if os.path.lexists(step.aside):
        if _is_original(step.aside, step):
            if not os.path.lexists(step.path):
                rename_new(step.aside, step.path)
            elif _has_bytes(step.path, step.sha256):
                os.replace(step.aside, step.path)
        elif _is_original(step.path, step):
            step.aside.unlink()
        with suppress(OSError):
            files.sync(step.path.parent)
    return os.path.lexists(step.path) and not _is_original(step.path, step)


def _is_original(path: Path, step: Step) -> bool:
    """Whether `path` is the file that the step was to replace, and no link to the kept one."""
    try:
        return read_entry(path).identity == step.entry.identity
    except SkippedError:
        return False


def _has_bytes(path: Path, sha256: str) -> bool:
    try:
        return hash_file(path)[0] == sha256
    except SkippedError:
        return False


def unlink(step: Step) -> None:
    """Replace the link by a file of its own, with the old mode and times. Raises `SkippedError`."""
    step.aside.unlink(missing_ok=True)  # a copy that an interrupted undo left
    if not os.path.lexists(step.path):
        raise SkippedError("it is not there any more")
    if not _has_bytes(step.path, step.sha256):
        raise SkippedError("its bytes have changed since, or the kept file is gone")
    copy_entry(step.path, step.aside, step.entry, step.sha256)
    os.replace(step.aside, step.path)
    files.sync(step.path.parent)


# -- the table -----------------------------------------------------------------------------------

_MOVE = FileAction(move, settle_move, move_back)
_LINK = FileAction(link, settle_link, unlink)

FILE_ACTIONS = {
    "trash": _MOVE,
    "move": _MOVE,
    "hardlink": _LINK,
    "symlink": _LINK,
    "reflink": _LINK,
    "delete": FileAction(delete, settle_deletion, refuse),
}
