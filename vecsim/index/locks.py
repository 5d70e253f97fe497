"""Locks on an index that end with their process: one writer, any number of readers."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

from vecsim.catalog import WalDamage, check_wal
from vecsim.contained import ContainedPath
from vecsim.errors import IndexLockedError, StorageError
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder
from vecsim.locking import portalocker

# What the file says of the process that has the lock.
_OWNER = re.compile(rb"process \d{1,20} \(since [\d :-]{10,30}\)")
_MAX_OWNER = 200


class WriterLock:
    """The exclusive lock of the one process that writes to an index; its file names the process."""

    def __init__(self, path: ContainedPath, *, wait: bool = False) -> None:
        """Take the lock; with `wait`, wait for the process that has it.

        Raises `IndexLockedError` if another process has it, `StorageError`.
        """
        try:
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise StorageError(
                f"{path.parent}: the index cannot be written to ({error.strerror}).",
                hint=Hint(Action.COPY_INDEX),
            ) from error
        flags = portalocker.LockFlags.EXCLUSIVE
        if not wait:
            flags |= portalocker.LockFlags.NON_BLOCKING
        try:
            portalocker.lock(self._file, flags)
        except portalocker.LockException as error:
            owner = self._owner()
            self._file.close()
            raise IndexLockedError(
                f"{path.parent}: {owner} is writing to this index.",
                hint=Hint(Action.WAIT_FOR_WRITER),
            ) from error
        # Only messages use the name: on a full disk the lock holds without it.
        with suppress(OSError):
            self._empty()
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(self._file.fileno(), f"process {os.getpid()} (since {started})".encode())

    def _owner(self) -> str:
        """Return what the file says of the process that has the lock."""
        said = None
        with suppress(OSError):  # Windows does not let others read what is locked
            self._file.seek(0)
            said = _OWNER.fullmatch(self._file.read(_MAX_OWNER))
        return said[0].decode("ascii") if said else "another process"

    def _empty(self) -> None:
        """Empty the file. Raises OSError if it has other names, under which it is another's."""
        if os.fstat(self._file.fileno()).st_nlink > 1:
            raise OSError(errno.EMLINK, "a hard link")
        os.ftruncate(self._file.fileno(), 0)

    def release(self) -> None:
        """Release the lock."""
        with suppress(OSError):
            self._empty()
        self._file.close()


class ReaderLock:
    """The shared lock of a reader. Without a lock file, or without permission, it is no lock.

    On a read-only medium there can be no writer to exclude.
    """

    def __init__(self, path: ContainedPath) -> None:
        self._file: BinaryIO | None = None
        try:
            self._file = path.open()
            portalocker.lock(self._file, portalocker.LockFlags.SHARED)
        except (OSError, portalocker.LockException):
            self.release()

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def exclude_writers(path: ContainedPath) -> Iterator[bool]:
    """Keep writers out for the duration of the block; yields False if one is at work.

    `path`: of the writer's lock. A shared lock: several processes can keep writers out at once.
    Yields True where the file cannot be opened, as on a read-only medium.
    """
    flags = portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING
    with ExitStack() as opened:
        excluded = True
        try:
            portalocker.lock(opened.enter_context(path.open()), flags)
        except portalocker.LockException:
            excluded = False
        except OSError:
            pass
        yield excluded


def exclude_readers(path: ContainedPath) -> BinaryIO | None:
    """Keep new readers out until the returned file is closed; None if there is a reader.

    `path`: of the readers' lock. Raises `StorageError`.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened ({error.strerror}).") from error
    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException:
        file.close()
        return None
    return file


def wal_damage(folder: IndexFolder, file: ContainedPath) -> WalDamage | None:
    """Check the write-ahead log of the SQLite file `file` before SQLite opens it.

    SQLite takes frames that it cannot read for a commit that was never finished, and drops them.
    Returns None for a sound log, and while a process writes to the index: that process checked the
    log when it opened the file.
    """
    if check_wal(file) is None:
        return None
    # A log that is being written to can look damaged: check it again with writers kept out.
    with exclude_writers(folder.writer_lock) as excluded:
        return check_wal(file) if excluded else None
