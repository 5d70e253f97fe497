"""What applying a list is asked to do, the list itself, and what is reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint
from vecsim.operations.requests import check_choice
from vecsim.records import ImageRef
from vecsim.search.score import check_threshold
from vecsim.sources import SourceOptions
from vecsim.sources.columns import ListRow
from vecsim.sources.reader import check_exists, sound_rows

Method = Literal["none", "trash", "move", "hardlink", "symlink", "reflink", "delete"]
"""What to do with files that are given up; "none" only says which files these are."""

Status = Literal["planned", "done", "skipped", "url"]
"""What became of an image that a list gives up. "url": it is not a local file."""

ApplyProgress = Callable[[int, int], None]
"""Called with the number of files that were processed so far, and how many there are."""

LINKS = ("hardlink", "symlink", "reflink")

_OPTIONS = SourceOptions()


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """How to act on the files that a list gives up. Raises `UsageError` for impossible values.

    `method`: what to do with them. `folder`: where "move" moves them. `dry_run`: change nothing.
    `threshold`: the lowest score of a file with the one that is kept; None for the index's own.
    `journal`: the file that records each step; needed unless `dry_run`. `wait`: while another
    process writes to the index, wait instead of raising `IndexLockedError`; a number: so many
    seconds at most.
    """

    method: str = "none"
    folder: Path | None = None
    threshold: float | None = None
    journal: Path | None = None
    dry_run: bool = False
    wait: bool | float = False

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
class Choice:
    """Whether to keep an image of a group. `location`: where this was read, for messages.

    `url` may be empty: then the index alone says where the image is.
    """

    id: str
    url: str
    group: str
    keep: bool
    location: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became, or would become, of one image that the list gives up.

    `status`: see `Status`. `action`: the method, or "none". `kept`: the image that is kept for it.
    `target`: where the file is now. `why`: the reason if it was skipped.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("groups.csv", index=False)
    >>> vecsim.apply_decisions("groups.csv", shop).outcomes
    [<Outcome none planned, 'Pictures/1.jpg'>]
    """

    status: str
    action: str
    image: ImageRef
    kept: ImageRef | None = None
    score: float | None = None
    target: str = ""
    why: str = ""

    def __repr__(self) -> str:
        more = f" -> {self.target!r}" if self.target else f": {self.why}" if self.why else ""
        return f"<Outcome {self.action} {self.status}, {self.image.id!r}{more}>"


@dataclass(slots=True)
class ApplyReport:
    """What applying a list did. `removed`: how many images left the index.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("groups.csv", index=False)
    >>> vecsim.apply_decisions("groups.csv", shop).count("planned")
    1
    """

    outcomes: list[Outcome] = field(default_factory=list)
    removed: int = 0
    journal: Path | None = None

    def __repr__(self) -> str:
        found = Counter(outcome.status for outcome in self.outcomes)
        counts = [f"{count:,} {status}" for status, count in found.items()]
        parts = [*counts, f"{self.removed:,} removed from the index"]
        return f"<ApplyReport: {', '.join(parts)}; journal {self.journal}>"

    def count(self, status: str) -> int:
        """Return how many images have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of one file that `undo` was to bring back; `why`: empty if it is back.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("given-up.csv", index=False)
    >>> report = vecsim.apply_decisions("given-up.csv", shop, method="move", folder="gone")
    >>> [file] = vecsim.undo(report.journal).files
    >>> file.action, file.why
    ('move', '')
    """

    path: str
    action: str
    why: str = ""


@dataclass(slots=True)
class UndoReport:
    """What `undo` did. `deleted`: files that were deleted, and cannot be brought back.

    `returned`: how many images are in their index again. `lost_indexes`: indexes to which images
    could not return, and why.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("undone.csv", index=False)
    >>> report = vecsim.apply_decisions("undone.csv", shop, method="move", folder="gone")
    >>> vecsim.undo(report.journal).restored
    1
    """

    files: list[Returned] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    returned: int = 0
    lost_indexes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"<UndoReport: {self.restored:,} of {len(self.files):,} files are back, "
            f"{len(self.deleted):,} were deleted, {self.returned:,} images are in the index again>"
        )

    @property
    def restored(self) -> int:
        """How many files are back."""
        return sum(not file.why for file in self.files)


# -- reading lists -------------------------------------------------------------------------------


def read_choices(source: str | Path) -> list[Choice]:
    """Read a list of any kind with the columns id, group and keep (yes or no).

    Raises `InputError` for a file without these columns and for other values of `keep`.
    """
    (name,) = check_exists(source)
    return list(_choices(name, sound_rows(name, _OPTIONS, fetched=False)))


def _choices(name: str, rows: Iterator[tuple[str, ListRow]]) -> Iterator[Choice]:
    for location, (_, id_cell, url_cells, fields, _) in rows:
        url_cell = url_cells[0]
        if "keep" not in fields or "group" not in fields:
            raise _not_a_list_of_choices(name, fields)
        image_id = id_cell if id_cell.strip() else url_cell
        if not image_id.strip():
            raise InputError(f"{location}: this row names no image.")
        keep = fields["keep"].strip().casefold()
        if keep not in ("yes", "no"):
            raise InputError(f"{location}: keep is {fields['keep']!r}; write yes or no.")
        yield Choice(image_id, url_cell.strip(), fields["group"].strip(), keep == "yes", location)


def _not_a_list_of_choices(name: str, fields: dict[str, str]) -> InputError:
    sides = [key for key in fields if key.casefold().endswith("_id")]
    if len(sides) > 1:
        return InputError(
            f"{name}: this list has pairs of images ({sides[0]}, {sides[1]}), and does not say "
            f"which of the two to give up.",
            hint=Hint(Action.LIST_GROUPS),
        )
    return InputError(
        f"{name}: needs the columns id, group and keep, as a list of groups has them.",
        hint=Hint(Action.LIST_GROUPS),
    )
