"""Opens folders below a root without following links, and names what is found instead of a file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vecsim.errors import MisplacedFileError
from vecsim.hints import Action, Hint

LINKED_FOLDERS = "VECSIM_LINKED_FOLDERS"
"""The variable with the folder below which links called `segments` and `sketches` may lead: a
cluster reads segments from a shared file system, on which no catalog can be.
"""

_LINKABLE = ("segments", "sketches")

# A handle that only names below it are looked up with needs no permission to read.
LOOK_UP: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
READ: int = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

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


@contextmanager
def folder_handle(root: Path, parts: tuple[str, ...], flags: int = LOOK_UP) -> Iterator[int]:
    """Yield the handle of the folder that the names `parts` lead to from the folder `root`.

    `flags`: `LOOK_UP` or `READ`. Links in the path of `root` are followed, those below are not.
    Raises OSError, and `MisplacedFileError` for anything but a folder below `root`.
    """
    handle = os.open(root, LOOK_UP if parts else flags)
    try:
        for depth in range(1, len(parts) + 1):
            inner = _descend(root, parts[:depth], handle, flags if depth == len(parts) else LOOK_UP)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _descend(root: Path, parts: tuple[str, ...], above: int, flags: int) -> int:
    """Open the folder that `parts` lead to; `above` is the handle of the folder that it is in."""
    try:
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=above)
    except OSError as error:
        path = Path(root, *parts)
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            error.filename = str(path)
            raise
        target = allowed_target(path) if len(parts) == 1 else None
        if target is not None:
            return os.open(target, flags | os.O_NOFOLLOW)
        raise misplaced(root, path, kind_of(path.lstat().st_mode), "a folder") from error


def allowed_target(path: Path) -> Path | None:
    """Return where the link `path` leads if the user allows that by a variable, else None."""
    allowed = os.environ.get(LINKED_FOLDERS)
    if not allowed or path.name not in _LINKABLE or not path.is_symlink():
        return None
    target = Path(os.path.realpath(path))
    return target if target.is_relative_to(os.path.realpath(allowed)) else None


def real_path(handle: int, path: Path) -> Path:
    """Return the path without links of an open folder that was opened as `path`."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{handle}"))
    except OSError:  # not Linux
        return path.resolve()


def total_size(folder: Path) -> int:
    """Return the bytes of all regular files in and below `folder`, without following links."""
    size = 0
    for _, _, names, handle in os.fwalk(os.path.realpath(folder)):
        for name in names:
            with suppress(FileNotFoundError):  # a merge has just deleted it
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size
