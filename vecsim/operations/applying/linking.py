"""Replaces a file by a link to, or a clone of, a file with the same bytes, and back."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from vecsim import files
from vecsim.operations.applying.entries import (
    REPLACED,
    SkippedError,
    copy_entry,
    hash_file,
    is_entry,
    read_entry,
    restore_facts,
)
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.renaming import exchange, rename_new

_FICLONE = 0x40049409  # of linux/fs.h: share the blocks of another file


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
                fcntl.ioctl(clone, _FICLONE, source.fileno())
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
