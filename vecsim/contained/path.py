"""Paths inside an index folder: all that is done to the files there, without following links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from vecsim import system
from vecsim.contained.folders import Folder, allowed_target, kind_of, misplaced, open_folder
from vecsim.errors import IndexDamagedError
from vecsim.hints import Action, Hint

Mode = Literal["rb", "xb", "a+b"]
_MODES: dict[Mode, tuple[int, str]] = {
    "rb": (os.O_RDONLY, "rb"),
    "xb": (os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb"),
    "a+b": (os.O_RDWR | os.O_CREAT | os.O_APPEND, "a+b"),
}


@dataclass(frozen=True, slots=True)
class ContainedPath:
    """A file or folder inside the folder `root`; `parts` are the names that lead to it from there.

    All methods raise OSError with the whole path in `filename`, and `MisplacedFileError` for a
    link, pipe, socket or device, or for a folder in the place of a file.
    """

    root: Path
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.parts:
            if part in ("", ".", "..") or "/" in part or "\0" in part:
                raise IndexDamagedError(
                    f"{self.root}: names {part!r} as one of its files, which is no name of a file "
                    f"in it.",
                    hint=Hint(Action.RESTORE_OR_REPAIR, path=self.root),
                )

    @classmethod
    def of(cls, path: Path) -> ContainedPath:
        """Return the file `path` as one inside its own folder."""
        return cls(path.parent, (path.name,))

    def __truediv__(self, name: str) -> ContainedPath:
        return ContainedPath(self.root, (*self.parts, name))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """The whole path, for messages; opening it would follow links."""
        return Path(self.root, *self.parts)

    @property
    def name(self) -> str:
        """The last name."""
        return self.parts[-1]

    @property
    def parent(self) -> ContainedPath:
        """The folder that this is in."""
        return ContainedPath(self.root, self.parts[:-1])

    def with_name(self, name: str) -> ContainedPath:
        """Return what is called `name` in the same folder."""
        return self.parent / name

    def resolved(self) -> ContainedPath:
        """Return this folder by a path without links, for other processes."""
        own = ContainedPath(self.root.resolve(), self.parts)
        try:
            with open_folder(self.root, self.parts) as folder:
                found = folder.real_path()
        except FileNotFoundError:
            return own
        return own if found == own.path else ContainedPath(found)

    # -- looking -------------------------------------------------------------------------------

    def stat(self) -> os.stat_result:
        """Return the facts of what is here, of a link itself."""
        with self._in_folder() as folder:
            return folder.stat(self.name)

    def kind(self) -> str:
        """Return what is here, in words, as `kind_of` does; "" for nothing."""
        try:
            return self._kind(kind_of(self.stat().st_mode))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            return ""

    def _kind(self, found: str) -> str:
        linked = found == "a link" and len(self.parts) == 1 and allowed_target(self.path)
        return "a folder" if linked else found

    def exists(self) -> bool:
        """Whether anything is here, of whatever kind."""
        return self.kind() != ""

    def has_file(self) -> bool:
        """Whether a regular file is here; nothing is no error, all else is."""
        return self._has("a file")

    def has_folder(self) -> bool:
        """Whether a folder is here; nothing is no error, all else is."""
        return self._has("a folder")

    def _has(self, wanted: str) -> bool:
        found = self.kind()
        if found not in ("", wanted):
            raise misplaced(self.root, self.path, found, wanted)
        return found == wanted

    def entries(self) -> list[tuple[ContainedPath, str]]:
        """Return what is in this folder, sorted by name, with its kind; none without the folder."""
        try:
            with open_folder(self.root, self.parts, read=True) as folder:
                kinds = sorted((entry.name, _kind_of_entry(entry)) for entry in folder.scan())
        except FileNotFoundError:
            return []
        paths = [(self / name, kind) for name, kind in kinds]
        return [(path, path._kind(kind)) for path, kind in paths]

    def files(self) -> list[ContainedPath]:
        """Return the regular files in this folder, sorted by name."""
        return [path for path, kind in self.entries() if kind == "a file"]

    # -- opening -------------------------------------------------------------------------------

    def open(self, mode: Mode = "rb") -> BinaryIO:
        """Open a regular file; "a+b" creates it if there is none."""
        flags, python_mode = _MODES[mode]
        with self._in_folder() as folder:
            with suppress(FileNotFoundError):
                # Before it is opened: opening alone makes some devices act.
                self._require_file(folder.stat(self.name))
            try:
                descriptor = folder.open(self.name, flags | system.PLAIN)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise misplaced(self.root, self.path, "a link", "a file") from error
                raise
        try:
            self._require_file(os.fstat(descriptor))
            return cast(BinaryIO, os.fdopen(descriptor, python_mode))
        except BaseException:
            os.close(descriptor)
            raise

    def _require_file(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise misplaced(self.root, self.path, kind_of(status.st_mode), "a file")

    def read_bytes(self, most: int) -> bytes:
        """Return the content of a file. Raises `IndexDamagedError` above `most` bytes."""
        with self.open() as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise IndexDamagedError(
                f"{self}: has more than {most:,} bytes.",
                hint=Hint(Action.RESTORE_OR_REPAIR, path=self.root),
            )
        return data

    @contextmanager
    def library_path(self) -> Iterator[str]:
        """Yield a path for a library that opens files itself, valid in the block.

        On Linux it leads through the handle of the folder. The library follows a link in the place
        of the file: check `has_file` before and after.
        """
        with self._in_folder() as folder:
            yield folder.path_for_libraries(self.name)

    # -- changing ------------------------------------------------------------------------------

    def make_folder(self) -> None:
        """Make a folder, unless there is one."""
        with self._in_folder() as folder, suppress(FileExistsError):
            folder.make_folder(self.name)
        self.has_folder()

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete a file; of a link the link itself."""
        try:
            with self._in_folder() as folder:
                folder.unlink(self.name)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def delete_folder(self) -> None:
        """Delete a folder with all that is in it, as far as that is possible; never a link."""
        with suppress(OSError, IndexDamagedError), self._in_folder() as folder:
            folder.delete_folder(self.name)

    def rename(self, new: ContainedPath) -> None:
        """Move what is here, of a link the link itself, to the place `new`, which it replaces."""
        with self._in_folder() as folder, new._in_folder() as target:
            folder.rename(self.name, new.name, target)

    def link_as(self, new: ContainedPath) -> None:
        """Give a file a second name."""
        with self._in_folder() as folder, new._in_folder() as target:
            folder.link(self.name, new.name, target)

    def sync_content(self) -> None:
        """Make the content of this file survive a power failure."""
        with self.open("rb" if system.HAS_FOLDER_HANDLES else "a+b") as file:  # see `system.sync`
            os.fsync(file.fileno())

    def sync(self) -> None:
        """Make the names in this folder survive a power failure."""
        with open_folder(self.root, self.parts, read=True) as folder:
            folder.sync()

    @contextmanager
    def _in_folder(self) -> Iterator[Folder]:
        """Yield the folder that this is in; errors get the whole path."""
        with open_folder(self.root, self.parts[:-1]) as folder:
            try:
                yield folder
            except OSError as error:
                if error.filename is not None:
                    error.filename = str(self.path)
                raise


def _kind_of_entry(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a link"
    if entry.is_dir(follow_symlinks=False):
        return "a folder"
    if entry.is_file(follow_symlinks=False):
        return "a file"
    with suppress(OSError):
        return kind_of(entry.stat(follow_symlinks=False).st_mode)
    return "no file"
