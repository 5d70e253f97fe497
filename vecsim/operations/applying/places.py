"""Where files go: into the trash, or into a folder that keeps their tree."""

from __future__ import annotations

import os
from pathlib import Path

from vecsim.errors import UsageError
from vecsim.files import temporary_path
from vecsim.index import Snapshot
from vecsim.operations.applying.entries import Entry, missing_folders
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.plan import GivenUp, absolute_path
from vecsim.operations.applying.requests import ApplyRequest
from vecsim.operations.applying.trash import trash_place


class Places:
    """Where files go. Raises `UsageError` for a folder in which they would be found again."""

    def __init__(self, snapshot: Snapshot, request: ApplyRequest) -> None:
        self.method = request.method
        self._taken: set[Path] = set()
        if request.folder is None:
            return
        self._folder = Path(os.path.abspath(request.folder))
        paths = (absolute_path(row.ref.url) for row in snapshot.all_rows())
        folders = {path.parent for path in paths if path is not None}
        self._root = Path(os.path.commonpath(folders)) if folders else Path("/")
        above = {self._folder, *self._folder.parents}
        below = self._folder.relative_to(inside) if (inside := _deepest(above & folders)) else None
        if below is not None and not any(part.startswith(".") for part in below.parts):
            raise UsageError(
                f"{request.folder} is in {inside}, whose images are in the index: files there "
                f"would be found again. Choose a folder outside of it, or one whose name begins "
                f"with a dot."
            )

    def step(self, given: GivenUp, entry: Entry) -> Step:
        """Return the step for a file that was checked. Raises `SkippedError`."""
        target = info = None
        folders: tuple[Path, ...] = ()
        if self.method == "move":
            target = self._target(given.path)
            folders = missing_folders(target.parent)
        elif self.method == "trash":
            place = trash_place(given.path)
            target, info, folders = place.target, place.info, place.folders
        return Step(
            0,
            self.method,
            given.image.ref.id,
            given.path,
            given.kept_path,
            given.image.facts.sha256,
            entry,
            temporary_path(given.path),
            target,
            info,
            folders,
        )

    def _target(self, path: Path) -> Path:
        """Return a free place in the folder, in the same subfolder as before."""
        wanted = self._folder / path.relative_to(self._root)
        target, number = wanted, 1
        while target in self._taken or os.path.lexists(target):
            number += 1
            target = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        self._taken.add(target)
        return target


def _deepest(folders: set[Path]) -> Path | None:
    return max(folders, key=lambda folder: len(folder.parts), default=None)
