"""Names in folders: what is behind them, whether that is what was indexed; copying and renaming.

Folders too: when they were last changed, and whether they hold the same names again. Renames that
never overwrite, and exchanges of two names, are those of Linux' renameat2.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vecsim import system

REPLACED = "it was replaced by another file meanwhile"
"""Why a file is skipped that another one replaced after it was checked."""

_BLOCK = 1 << 20

_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


class SkippedError(Exception):
    """A file that is left as it is; the text says why, without the file's name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder as it was: a regular file, or a link with its `link` text.

    Times are in nanoseconds. `identity` of a link is that of the link itself. `attributes`: the
    extended attributes of a file, such as tags of a file manager, in Base64.
    """

    device: int
    inode: int
    mode: int
    size: int
    modified: int
    accessed: int
    owner: int
    group: int
    link: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    def as_json(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Entry:
        """Return the entry that `as_json` described."""
        return cls(**values)


def read_entry(path: Path) -> Entry:
    """Return what is at `path`, without following a link. Raises `SkippedError`."""
    try:
        found = os.lstat(path)
        link = os.readlink(path) if stat.S_ISLNK(found.st_mode) else None
    except OSError as error:
        raise SkippedError("it is not there any more") from error
    return Entry(
        found.st_dev,
        found.st_ino,
        stat.S_IMODE(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        found.st_atime_ns,
        found.st_uid,
        found.st_gid,
        link,
        _read_attributes(path) if link is None else {},
    )


def _read_attributes(path: Path) -> dict[str, str]:
    found = system.read_attributes(path)
    return {name: base64.b64encode(value).decode() for name, value in found.items()}


def check_bytes(path: Path, sha256: str) -> tuple[int, int]:
    """Check that the bytes of the file at `path`, or behind the link there, have this hash.

    Returns device and inode of the file. Raises `SkippedError`.
    """
    found, identity = hash_file(path)
    if found != sha256:
        raise SkippedError("its bytes have changed since it was indexed")
    return identity


def hash_file(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the SHA-256 of a regular file, with its device and inode. Raises `SkippedError`."""
    flags = os.O_RDONLY | system.PLAIN
    try:
        try:
            # Keeps the time of the last access; only the owner of a file may ask for that.
            descriptor = os.open(path, flags | system.NO_ACCESS_TIME)
        except PermissionError:
            descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SkippedError("it is not a regular file")
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise SkippedError("it is not there any more") from error
    except OSError as error:
        raise SkippedError(f"it cannot be read ({error.strerror or error})") from error
    return digest, (status.st_dev, status.st_ino)


def is_entry(path: Path, entry: Entry, sha256: str) -> bool:
    """Whether `path` is what `entry` describes: the same file, or at least the same bytes.

    Some file systems give a renamed file another inode.
    """
    try:
        found = read_entry(path)
        if entry.link is not None or found.link is not None:
            return found.link == entry.link
        same = (found.identity, found.size, found.modified)
        if same == (entry.identity, entry.size, entry.modified):
            return True
        return hash_file(path)[0] == sha256
    except SkippedError:
        return False


def missing_folders(*folders: Path) -> tuple[Path, ...]:
    """Return which of `folders` and of the folders above them do not exist, outermost first."""
    missing: dict[Path, None] = {}
    for folder in folders:
        above = [each for each in (folder, *folder.parents) if not each.exists()]
        missing.update(dict.fromkeys(reversed(above)))
    return tuple(missing)


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder as it was: its times in nanoseconds, and a hash of the names in it."""

    path: Path
    modified: int
    accessed: int
    names: str

    @classmethod
    def read(cls, path: Path) -> FolderState:
        """Return the state of the folder at `path`. Raises OSError."""
        found = os.stat(path)  # first: listing changes the time of the last access
        names = b"\0".join(sorted(map(os.fsencode, os.listdir(path))))
        digest = hashlib.sha256(names).hexdigest()
        return cls(path, found.st_mtime_ns, found.st_atime_ns, digest)

    def restore(self) -> bool:
        """Give the folder its times, if it holds the same names; returns whether it does."""
        try:
            if FolderState.read(self.path).names != self.names:
                return False
            os.utime(self.path, ns=(self.accessed, self.modified))
        except OSError:  # the folder is gone, or belongs to another user
            return False
        return True


def copy_entry(source: Path, target: Path, entry: Entry, sha256: str) -> None:
    """Make `target`, which must not exist, durably: the bytes of `source`, as `entry` was.

    If `entry` is a link, `target` becomes such a link. Raises `SkippedError` if the bytes that
    arrived do not have the hash, OSError; then there is no `target`.
    """
    if entry.link is not None:
        target.symlink_to(entry.link)
        restore_facts(target, entry)
        return
    try:
        with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
            while block := reader.read(_BLOCK):
                view = memoryview(block)
                while view:
                    view = view[writer.write(view) :]
            os.fsync(writer.fileno())
        for name, value in entry.attributes.items():
            system.write_attribute(target, name, base64.b64decode(value))
        restore_facts(target, entry)
        if hash_file(target)[0] != sha256:
            raise SkippedError("its bytes changed while they were copied")
    except FileExistsError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def restore_facts(path: Path, entry: Entry) -> None:
    """Give `path` the mode, times and, where this process may, the owner of `entry`."""
    system.change_owner(path, entry.owner, entry.group)
    if entry.link is None:
        path.chmod(entry.mode)
    system.set_times(path, entry.accessed, entry.modified)


def rename_new(source: Path, target: Path) -> None:
    """Rename `source` to `target`, which must not exist. Raises OSError, FileExistsError.

    On a file system that cannot do this in one step, a file that appears at `target` in the same
    instant could be overwritten.
    """
    try:
        system.rename_with_flags(source, target, system.RENAME_NEW)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(source, target)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; returns False where the file system cannot."""
    try:
        system.rename_with_flags(one, other, system.RENAME_EXCHANGE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True
