"""Folders below a root, opened without following links; names what is found instead of a file.

Where the system has handles of folders, each name is looked up relative to the handle of the folder
above it, so that no link can be put in between. Elsewhere (Windows) each name is checked just
before it is used: a link that appears in the same instant would be followed.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from vecsim import system
from vecsim.errors import MisplacedFileError
from vecsim.hints import Action, Hint

LINKED_FOLDERS = "VECSIM_LINKED_FOLDERS"
"""The variable with the folder below which links called `segments`, `sketches` or `orientations`
may lead: a cluster reads segments from a shared file system, on which no catalog can be.
"""

_LINKABLE = ("segments", "sketches", "orientations")

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(mode: int) -> str:
    """Return what kind of file has this `st_mode`, in words: "a file", "a folder", "a link", …"""
    return _KINDS.get(stat.S_IFMT(mode), "no file")


def misplaced(root: Path, path: Path, found: str, wanted: str) -> MisplacedFileError:
    """Return the error for what is at `path` inside the index `root`, in the place of `wanted`."""
    led = ""
    if found == "a link":
        with suppress(OSError):
            led = f" to {str(path.readlink())[:200]!r}"
    return MisplacedFileError(
        f"{path}: {found}{led}, where an index has {wanted} of its own. Nothing inside an index is "
        f"reached through links.",
        hint=Hint(Action.SET_ASIDE, path=root),
    )


class Folder(Protocol):
    """One open folder: what is done to the names in it. Methods raise OSError; links stay links."""

    def stat(self, name: str) -> os.stat_result:
        """Return the facts of what has this name, of a link itself."""

    def open(self, name: str, flags: int) -> int:
        """Open a file. Raises OSError with ELOOP for a link."""

    def scan(self) -> list[os.DirEntry[str]]:
        """Return what is in the folder."""

    def make_folder(self, name: str) -> None:
        """Make a folder."""

    def unlink(self, name: str) -> None:
        """Delete a file, or a link itself."""

    def delete_folder(self, name: str) -> None:
        """Delete a folder with all that is in it, as far as that is possible."""

    def rename(self, name: str, new: str, target: Folder) -> None:
        """Move what is here to `new` in the folder `target`, which it replaces there."""

    def link(self, name: str, new: str, target: Folder) -> None:
        """Give a file a second name, `new` in the folder `target`."""

    def sync(self) -> None:
        """Make the names in the folder survive a power failure."""

    def path_for_libraries(self, name: str) -> str:
        """Return a path of the file `name` for a library, valid while the folder is open."""

    def real_path(self) -> Path:
        """Return the path of the folder without links."""

    def close(self) -> None:
        """Close it."""


class _HandleFolder:
    """A folder by its handle; `path`: by which it was opened."""

    def __init__(self, handle: int, path: Path) -> None:
        self.handle = handle
        self._path = path

    def stat(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self.handle, follow_symlinks=False)

    def open(self, name: str, flags: int) -> int:
        return os.open(name, flags | system.NO_FOLLOW, 0o666, dir_fd=self.handle)

    def scan(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.handle) as found:
            return list(found)

    def make_folder(self, name: str) -> None:
        os.mkdir(name, dir_fd=self.handle)

    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self.handle)

    def delete_folder(self, name: str) -> None:
        shutil.rmtree(name, ignore_errors=True, dir_fd=self.handle)

    def rename(self, name: str, new: str, target: Folder) -> None:
        assert isinstance(target, _HandleFolder)
        os.replace(name, new, src_dir_fd=self.handle, dst_dir_fd=target.handle)

    def link(self, name: str, new: str, target: Folder) -> None:
        assert isinstance(target, _HandleFolder)
        handles = {"src_dir_fd": self.handle, "dst_dir_fd": target.handle}
        os.link(name, new, **handles, follow_symlinks=False)

    def sync(self) -> None:
        os.fsync(self.handle)

    def path_for_libraries(self, name: str) -> str:
        through_handle = f"/proc/self/fd/{self.handle}"
        found = os.path.isdir(through_handle)
        return f"{through_handle}/{name}" if found else str(Path(self._path, name).absolute())

    def real_path(self) -> Path:
        try:
            return Path(os.readlink(f"/proc/self/fd/{self.handle}"))
        except OSError:  # not Linux
            return self._path.resolve()

    def close(self) -> None:
        os.close(self.handle)


class _PathFolder:
    """A folder by its path, on systems without handles of folders."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stat(self, name: str) -> os.stat_result:
        return (self._path / name).lstat()

    def open(self, name: str, flags: int) -> int:
        path = self._path / name
        if system.is_link(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        return os.open(path, flags, 0o666)

    def scan(self) -> list[os.DirEntry[str]]:
        with os.scandir(self._path) as found:
            return list(found)

    def make_folder(self, name: str) -> None:
        (self._path / name).mkdir()

    def unlink(self, name: str) -> None:
        (self._path / name).unlink()

    def delete_folder(self, name: str) -> None:
        if not system.is_link(self._path / name):
            shutil.rmtree(self._path / name, ignore_errors=True)

    def rename(self, name: str, new: str, target: Folder) -> None:
        assert isinstance(target, _PathFolder)
        source, place = self._path / name, target._path / new
        if place.is_dir() and not system.is_link(place):  # Windows replaces files only
            place.rmdir()
        source.replace(place)

    def link(self, name: str, new: str, target: Folder) -> None:
        assert isinstance(target, _PathFolder)
        if system.is_link(self._path / name):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self._path / name))
        os.link(self._path / name, target._path / new)

    def sync(self) -> None:
        system.sync(self._path)

    def path_for_libraries(self, name: str) -> str:
        return str((self._path / name).absolute())

    def real_path(self) -> Path:
        return self._path.resolve()

    def close(self) -> None: ...


@contextmanager
def open_folder(root: Path, parts: tuple[str, ...], *, read: bool = False) -> Iterator[Folder]:
    """Yield the folder that the names `parts` lead to from the folder `root`.

    `read`: to list or sync it, for which it needs permission to read. Links in the path of `root`
    are followed, those below are not.
    Raises OSError, and `MisplacedFileError` for anything but a folder below `root`.
    """
    folder: Folder
    if system.HAS_FOLDER_HANDLES:
        folder = _HandleFolder(_handle(root, parts, read=read), Path(root, *parts))
    else:
        folder = _PathFolder(_checked(root, parts))
    try:
        yield folder
    finally:
        folder.close()


def _handle(root: Path, parts: tuple[str, ...], *, read: bool) -> int:
    """Return the open handle of the folder that `parts` lead to."""
    last = system.READ_FOLDER if read else system.LOOK_UP
    handle = os.open(root, system.LOOK_UP if parts else last)
    for depth in range(1, len(parts) + 1):
        above, flags = handle, last if depth == len(parts) else system.LOOK_UP
        try:
            handle = _descend(root, parts[:depth], above, flags)
        finally:
            os.close(above)
    return handle


def _descend(root: Path, parts: tuple[str, ...], above: int, flags: int) -> int:
    """Open the folder that `parts` lead to; `above` is the handle of the folder that it is in."""
    try:
        return os.open(parts[-1], flags | system.NO_FOLLOW, dir_fd=above)
    except OSError as error:
        path = Path(root, *parts)
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            error.filename = str(path)
            raise
        target = allowed_target(path) if len(parts) == 1 else None
        if target is not None:
            return os.open(target, flags | system.NO_FOLLOW)
        raise misplaced(root, path, kind_of(path.lstat().st_mode), "a folder") from error


def _checked(root: Path, parts: tuple[str, ...]) -> Path:
    """Return the path of the folder that `parts` lead to, each name of which is checked."""
    path = root
    if not stat.S_ISDIR(path.stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    for depth, part in enumerate(parts, 1):
        path = path / part
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and not system.is_link(path):
            continue
        target = allowed_target(path) if depth == 1 else None
        if target is None:
            found = "a link" if system.is_link(path) else kind_of(mode)
            raise misplaced(root, path, found, "a folder")
        path = target
    return path


def allowed_target(path: Path) -> Path | None:
    """Return where the link `path` leads if the user allows that by a variable, else None."""
    allowed = os.environ.get(LINKED_FOLDERS)
    if not allowed or path.name not in _LINKABLE or not path.is_symlink():
        return None
    target = Path(os.path.realpath(path))
    return target if target.is_relative_to(os.path.realpath(allowed)) else None


def total_size(folder: Path) -> int:
    """Return the bytes of all regular files in and below `folder`, without following links."""
    size = 0
    for above, _, names in os.walk(os.path.realpath(folder)):
        for name in names:
            with suppress(FileNotFoundError):  # a merge has just deleted it
                status = Path(above, name).lstat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size
