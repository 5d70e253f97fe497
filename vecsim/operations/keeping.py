"""Which image of a group to keep, and why: criteria, the most important first.

Each criterion leaves the best of the images that are still left; the others get its reason. Facts
are read only where they are needed: a group whose images differ in size is decided without files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vecsim.catalog import ImageRow
from vecsim.operations.hiding import FileStates
from vecsim.operations.local_files import file_identity, local_path
from vecsim.operations.picture_facts import (
    LOSSY,
    PictureOrigins,
    came_by_messenger,
    is_in,
    may_be_screenshot,
)
from vecsim.operations.requests import Grouping


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is better about an image to keep.

    `rank`: from the images that are left to a value of each, the smallest the best. `kept`,
    `given_up`: why the best is kept, and why others are not.
    """

    rank: Callable[[Sequence[ImageRow]], Sequence[Any]]
    kept: str
    given_up: str


class Keeper:
    """Chooses the image to keep of each group."""

    def __init__(
        self,
        grouping: Grouping,
        states: FileStates,
        thumbnails: Callable[[Iterable[int]], Mapping[int, bytes]],
    ) -> None:
        """`states`: of the files of all images. `thumbnails`: from keys to picture files."""
        self._grouping = grouping
        self._states = states
        self._origins = PictureOrigins(thumbnails)

    def choose(self, rows: Sequence[ImageRow]) -> tuple[ImageRow, dict[int, str]]:
        """Return the image to keep of `rows`, and by key why it is kept and why the others not."""
        left = list(rows)
        reasons: dict[int, str] = {}
        decisive = ""
        # Made anew: kept, they would refer to this object and to the open files of its snapshot in
        # a cycle, which the garbage collector may leave for long.
        for criterion in chain(self._by_place(), self._by_picture(), self._by_file()):
            ranks = dict(zip((row.key for row in left), criterion.rank(left), strict=True))
            best = min(ranks.values())
            worse = [row for row in left if ranks[row.key] != best]
            if worse:
                decisive = criterion.kept
                reasons |= {row.key: criterion.given_up for row in worse}
                left = [row for row in left if ranks[row.key] == best]
            if len(left) == 1:
                break
        (chosen,) = left
        sha256 = chosen.facts.sha256
        for row in rows:
            if sha256 and row is not chosen and row.facts.sha256 == sha256:
                reasons[row.key] = f"same bytes, {reasons[row.key]}"
        return chosen, {**reasons, chosen.key: decisive}

    def is_reference(self, row: ImageRow) -> bool:
        """Tell whether an image, by any name of its file, is in a reference folder."""
        names = self._states.names_of(row)
        return any(is_in(name, folder) for name in names for folder in self._grouping.reference)

    # -- criteria, in their order --------------------------------------------------------------

    def _by_place(self) -> Iterator[Criterion]:
        yield Criterion(_each(self._is_gone), "is there", "not there any more")
        if self._grouping.reference:
            yield Criterion(
                _each(lambda row: not self.is_reference(row)),
                "in a reference folder",
                "a picture in a reference folder is kept",
            )
        yield Criterion(
            _each(lambda row: row.key in self._states.other_names),
            "the file itself",
            "another name of the file",
        )
        if self._grouping.keep == "first":
            yield Criterion(_each(lambda row: row.ref.id), "first id", "later id")
        elif self._grouping.keep == "oldest":
            yield self._age

    def _by_picture(self) -> Iterator[Criterion]:
        origins = self._origins
        yield Criterion(self._screenshots_of_photographs, "no screenshot", "screenshot")
        yield Criterion(_each(_fewer_pixels), "most pixels", "fewer pixels")
        yield Criterion(_each(self._camera_grade), "camera data", "no or changed camera data")
        yield Criterion(_each(origins.is_screenshot), "no screenshot", "screenshot")
        yield Criterion(_each(came_by_messenger), "not from a messenger", "from a messenger")
        yield Criterion(
            self._lossless_copies, "original of a lossless copy", "lossless copy of a lossy file"
        )
        yield Criterion(_each(origins.is_grey), "in colour", "no colour")

    def _by_file(self) -> Iterator[Criterion]:
        if self._grouping.prefer:
            yield Criterion(
                _each(self._folder_number), "in a preferred folder", "not in the preferred folder"
            )
        yield self._age
        yield Criterion(_each(lambda row: -row.facts.byte_count), "largest file", "smaller file")
        yield Criterion(_each(_path_length), "shortest path", "longer path")
        yield Criterion(_each(lambda row: row.key), "added first", "added later")

    @property
    def _age(self) -> Criterion:
        return Criterion(_each(self._origins.age), "oldest", "younger")

    def _is_gone(self, row: ImageRow) -> bool:
        if row.key in self._states.missing:
            return True
        # The place of a relative path is not known: it may be another folder's.
        is_file = bool(row.facts.sha256) and local_path(row.ref.url) is not None
        return is_file and file_identity(row.ref.url) is None

    def _screenshots_of_photographs(self, rows: Sequence[ImageRow]) -> list[bool]:
        """Find screenshots, which may be larger than the photograph; only if that is there too."""
        if not any(map(may_be_screenshot, rows)):
            return [False] * len(rows)
        if not any(self._origins.origin(row).camera for row in rows):
            return [False] * len(rows)
        return [self._origins.is_screenshot(row) for row in rows]

    def _camera_grade(self, row: ImageRow) -> int:
        """Return 0 for a file as a camera wrote it, 1 for one that was changed since, else 2."""
        origin = self._origins.origin(row)
        if not origin.camera:
            return 2
        return int(origin.edited or origin.resized)

    def _lossless_copies(self, rows: Sequence[ImageRow]) -> list[bool]:
        """Find lossless files that show just what a lossy one shows: they were made of it."""
        lossy = [row for row in rows if row.facts.format in LOSSY]
        if not lossy or len(lossy) == len(rows):
            return [False] * len(rows)
        shown = {self._origins.pixels(row) for row in lossy} - {None}
        return [
            row.facts.format not in LOSSY and self._origins.pixels(row) in shown for row in rows
        ]

    def _folder_number(self, row: ImageRow) -> int:
        folders = self._grouping.prefer
        found = (n for n, folder in enumerate(folders) if is_in(row.ref.url, folder))
        return next(found, len(folders))


def _each(rank: Callable[[ImageRow], Any]) -> Callable[[Sequence[ImageRow]], list[Any]]:
    """Make a criterion's rank of a function on one image."""
    return lambda rows: [rank(row) for row in rows]


def _fewer_pixels(row: ImageRow) -> int:
    return -row.facts.width * row.facts.height


def _path_length(row: ImageRow) -> tuple[int, str]:
    return len(row.ref.url), row.ref.url
