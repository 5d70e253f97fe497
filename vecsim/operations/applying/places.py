"""Where files go: into a folder that keeps their tree, or into the trash of Linux desktops.

The place in the trash, as freedesktop.org's specification describes it, is chosen before the file
goes there, so that the journal can name it and the file can be brought back.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

from vecsim import files, paths, system
from vecsim.errors import UsageError
from vecsim.index import Snapshot
from vecsim.operations.applying.entries import Entry, SkippedError, missing_folders
from vecsim.operations.applying.journal import Step
from vecsim.operations.applying.plan import GivenUp, absolute_path
from vecsim.operations.applying.requests import ApplyRequest


class Places:
    """Where files go. Raises `UsageError` for a folder in which they would be found again."""

    def __init__(self, snapshot: Snapshot, request: ApplyRequest) -> None:
        self.method = request.method
        self._taken: set[Path] = set()
        if request.folder is None:
            return
        self._folder = Path(os.path.abspath(request.folder))
        found = (absolute_path(row.ref.url) for row in snapshot.all_rows())
        folders = {path.parent for path in found if path is not None}
        self._root = paths.common_folder([str(folder) for folder in folders])
        above = {self._folder, *self._folder.parents}
        inside = max(above & folders, key=lambda folder: len(folder.parts), default=None)
        below = None if inside is None else self._folder.relative_to(inside)
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
            place = _trash_place(given.path)
            target, info, folders = place.target, place.info, place.folders
        return Step(
            0,
            self.method,
            given.image.ref.id,
            given.path,
            given.kept_path,
            given.image.facts.sha256,
            entry,
            files.temporary_path(given.path),
            target,
            info,
            folders,
        )

    def _target(self, path: Path) -> Path:
        """Return a free place in the folder, in the same subfolder as before."""
        wanted = self._folder.joinpath(*paths.names_below(str(path), self._root))
        target, number = wanted, 1
        while target in self._taken or os.path.lexists(target):
            number += 1
            target = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        self._taken.add(target)
        return target


# -- the trash -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TrashPlace:
    """A free place in the trash: of the file and of its description; folders to make for them."""

    target: Path
    info: Path
    folders: tuple[Path, ...]


def _trash_place(path: Path) -> _TrashPlace:
    """Find a free place for `path` in the trash of its file system. Raises `SkippedError`."""
    folder = _trash_folder(path)
    stem, suffix = path.stem, path.suffix
    number = 1
    while True:
        name = path.name if number == 1 else f"{stem}.{number}{suffix}"
        target, info = folder / "files" / name, folder / "info" / f"{name}.trashinfo"
        if not os.path.lexists(target) and not os.path.lexists(info):
            return _TrashPlace(target, info, missing_folders(target.parent, info.parent))
        number += 1


def _trash_folder(path: Path) -> Path:
    """Return the user's trash folder on the file system of `path`. Raises `SkippedError`.

    That of freedesktop.org: the trash of Windows is no folder to which files can be moved.
    """
    user = system.user_number()
    if user is None:
        raise SkippedError("on this system vecsim can put nothing into the trash")
    device = path.parent.stat().st_dev
    data = os.environ.get("XDG_DATA_HOME") or ""
    with suppress(RuntimeError):  # a user with neither HOME nor an account has no folder at home
        base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
        home = base / "Trash"
        existing = next(each for each in (home, *home.parents) if each.exists())
        if existing.stat().st_dev == device:
            return home
    top = Path(os.path.realpath(path.parent))
    while top != top.parent and top.parent.stat().st_dev == device:
        top = top.parent
    shared = top / ".Trash"
    if shared.is_dir() and not shared.is_symlink() and shared.stat().st_mode & stat.S_ISVTX:
        return shared / str(user)
    own = top / f".Trash-{user}"
    if not own.is_dir() and not os.access(top, os.W_OK):
        raise SkippedError(f"its file system has no trash, and none can be made in {top}")
    return own


def write_info(info: Path, path: Path) -> None:
    """Write the description of the file of `path`, durably. Raises FileExistsError, OSError."""
    time_deleted = time.strftime("%Y-%m-%dT%H:%M:%S")
    text = f"[Trash Info]\n{_path_line(info, path)}\nDeletionDate={time_deleted}\n"
    with info.open("x", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    files.sync(info.parent)


def delete_info(info: Path, path: Path) -> None:
    """Delete the description of the file of `path`, if that is what is at `info`."""
    with suppress(OSError, UnicodeDecodeError):
        if _path_line(info, path) in info.read_text(encoding="ascii").splitlines():
            info.unlink()


def _path_line(info: Path, path: Path) -> str:
    """Return the line that names the file; the trash of another disk names it from the disk's top.

    `info`: of the trash `Trash`, `.Trash/USER` or `.Trash-USER`.
    """
    trash = info.parent.parent
    named = str(path)
    if trash.name != "Trash":
        top = trash.parent.parent if trash.parent.name == ".Trash" else trash.parent
        named = os.path.join(os.path.relpath(os.path.realpath(path.parent), top), path.name)
        named = os.path.normpath(named)
    return f"Path={quote_from_bytes(os.fsencode(named), safe='/')}"
