"""Deletes a file for good."""

from __future__ import annotations

import os
from contextlib import suppress

from vecsim import files
from vecsim.operations.applying.entries import SkippedError
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.relocating import discard
from vecsim.operations.applying.renaming import rename_new


def delete(step: Step) -> None:
    """Delete the file. Raises `SkippedError`, OSError."""
    discard(step)


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
