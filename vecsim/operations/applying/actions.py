"""The table of actions on files, and doing one step with its journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vecsim.operations.applying.deleting import delete, refuse, settle_deletion
from vecsim.operations.applying.entries import SkippedError
from vecsim.operations.applying.journal import Journal, Step
from vecsim.operations.applying.linking import link, settle_link, unlink
from vecsim.operations.applying.relocating import move, move_back, settle_move


@dataclass(frozen=True, slots=True)
class FileAction:
    """What a method does with a file.

    `perform`: do it. `settle`: finish or take back what an interrupted `perform` left; returns
    whether it is done. `restore`: bring the file back. All raise `SkippedError` and OSError.
    """

    perform: Callable[[Step], None]
    settle: Callable[[Step], bool]
    restore: Callable[[Step], None]


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


def perform(journal: Journal, step: Step) -> None:
    """Do one step: recorded before and after. Raises `SkippedError` if the file is as it was."""
    begun = journal.begin(step)
    try:
        FILE_ACTIONS[begun.action].perform(begun)
    except (SkippedError, OSError) as error:
        why = reason_of(error)
        if not settle(journal, begun, why):
            raise SkippedError(why) from error
    else:
        journal.end(begun, "done")


def settle(journal: Journal, step: Step, why: str = "interrupted") -> bool:
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
