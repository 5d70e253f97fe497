"""What applying a list is asked to do, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from vecsim.errors import UsageError
from vecsim.operations.requests import check_choice
from vecsim.records import ImageRef
from vecsim.search.score import check_threshold

Method = Literal["none", "trash", "move", "hardlink", "symlink", "reflink", "delete"]
"""What to do with files that are given up; "none" only says which files these are."""

Status = Literal["planned", "done", "skipped", "url"]
"""What became of an image that a list gives up. "url": it is not a local file."""

LINKS = ("hardlink", "symlink", "reflink")


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """How to act on the files that a list gives up. Raises `UsageError` for impossible values.

    `method`: what to do with them. `folder`: where "move" moves them. `dry_run`: change nothing.
    `threshold`: the lowest score of a file with the one that is kept; None for the index's own.
    `journal`: the file that records each step; needed unless `dry_run`. `wait`: wait while another
    process writes to the index, instead of raising `IndexLockedError`.
    """

    method: str = "none"
    folder: Path | None = None
    threshold: float | None = None
    journal: Path | None = None
    dry_run: bool = False
    wait: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        if (self.method == "move") != (self.folder is not None):
            raise UsageError("moving files needs a folder, and only moving does.")
        if self.threshold is not None:
            object.__setattr__(self, "threshold", check_threshold(self.threshold))
        if self.acts and self.journal is None:
            raise UsageError("files are changed only with a journal: name its file.")

    @property
    def acts(self) -> bool:
        """Whether files are changed."""
        return self.method != "none" and not self.dry_run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became, or would become, of one image that the list gives up.

    `status`: see `Status`. `action`: the method, or "none". `kept`: the image that is kept for it.
    `target`: where the file is now. `why`: the reason if it was skipped.
    """

    status: str
    action: str
    image: ImageRef
    kept: ImageRef | None = None
    score: float | None = None
    target: str = ""
    why: str = ""


@dataclass(slots=True)
class ApplyReport:
    """What applying a list did. `removed`: how many images left the index."""

    outcomes: list[Outcome] = field(default_factory=list)
    removed: int = 0
    journal: Path | None = None

    def count(self, status: str) -> int:
        """Return how many images have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of one file that `undo` was to bring back; `why`: empty if it is back."""

    path: str
    action: str
    why: str = ""


@dataclass(slots=True)
class UndoReport:
    """What `undo` did. `deleted`: files that were deleted, and cannot be brought back.

    `returned`: how many images are in their index again. `lost_indexes`: indexes to which images
    could not return, and why.
    """

    files: list[Returned] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    returned: int = 0
    lost_indexes: list[str] = field(default_factory=list)

    @property
    def restored(self) -> int:
        """How many files are back."""
        return sum(not file.why for file in self.files)
