"""The trash of Linux desktops, as freedesktop.org's specification describes it.

Its place is chosen before the file goes there, so that the journal can name it and the file can be
brought back.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

from vecsim import files
from vecsim.operations.applying.entries import SkippedError, missing_folders


@dataclass(frozen=True, slots=True)
class TrashPlace:
    """A free place in the trash: of the file, of its description, and folders to make for them."""

    target: Path
    info: Path
    folders: tuple[Path, ...]


def trash_place(path: Path) -> TrashPlace:
    """Find a free place for `path` in the trash of its file system. Raises `SkippedError`."""
    folder = _trash_folder(path)
    stem, suffix = path.stem, path.suffix
    number = 1
    while True:
        name = path.name if number == 1 else f"{stem}.{number}{suffix}"
        target, info = folder / "files" / name, folder / "info" / f"{name}.trashinfo"
        if not os.path.lexists(target) and not os.path.lexists(info):
            return TrashPlace(target, info, missing_folders(target.parent, info.parent))
        number += 1


def _trash_folder(path: Path) -> Path:
    """Return the user's trash folder on the file system of `path`."""
    device = path.parent.stat().st_dev
    data = os.environ.get("XDG_DATA_HOME") or ""
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    home = base / "Trash"
    existing = next(each for each in (home, *home.parents) if each.exists())
    if existing.stat().st_dev == device:
        return home
    top = Path(os.path.realpath(path.parent))
    while top != top.parent and top.parent.stat().st_dev == device:
        top = top.parent
    shared = top / ".Trash"
    user = os.getuid()
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
