"""Locks on an index that end with their process: one writer, any number of readers."""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

from vecsim.catalog import WalDamage, check_wal
from vecsim.contained import ContainedPath
from vecsim.errors import IndexLockedError, StorageError, UsageError
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder
from vecsim.locking import portalocker

log = logging.getLogger(__name__)

# What the file says of the process that has the lock.
_OWNER = re.compile(rb"process \d{1,20} \(since [\d :-]{10,30}\)")
_MAX_OWNER = 200

# Seconds between two attempts to take a lock for which a caller waits a limited time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


class WriterLock:
    """The exclusive lock of the one process that writes to an index; its file names the process."""

    def __init__(self, path: ContainedPath, *, wait: bool | float = False) -> None:
        """Take the lock.

        `wait`: True to wait for the process that has it, a number to wait so many seconds at most.
        Raises `IndexLockedError` if another process has it, `StorageError`, and `UsageError` for
        a `wait` that is no time.
        """
        seconds = _seconds_of(wait)
        try:
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise StorageError(
                f"{path.parent}: the index cannot be written to ({error.strerror}).",
                hint=Hint(Action.COPY_INDEX),
            ) from error
        try:
            if not self._try() and not self._wait(path, seconds):
                raise _locked(path, self._owner(), seconds)
        except BaseException:
            self._file.close()
            raise
        # Only messages use the name: on a full disk the lock holds without it.
        with suppress(OSError):
            self._empty()
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(self._file.fileno(), f"process {os.getpid()} (since {started})".encode())

    def _try(self) -> bool:
        """Take the lock if no process has it; return whether it was taken."""
        try:
            portalocker.lock(
                self._file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
            )
        except portalocker.LockException:
            return False
        return True

    def _wait(self, path: ContainedPath, seconds: float) -> bool:
        """Wait for the lock, so many seconds at most; return whether it was taken."""
        if seconds:
            log.info("%s: waiting until %s has written.", path.parent, self._owner())
        if seconds == math.inf:
            try:
                portalocker.lock(self._file, portalocker.LockFlags.EXCLUSIVE)
            except portalocker.LockException:  # as on a file system without locks
                return False
            return True
        end, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, pause))
            if self._try():
                return True
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

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


def _seconds_of(wait: bool | float) -> float:
    """Return how many seconds to wait: `math.inf` for True. Raises `UsageError`."""
    if isinstance(wait, bool):
        return math.inf if wait else 0.0
    if not isinstance(wait, int | float) or not wait >= 0:
        raise UsageError(f"wait={wait!r}: pass True, or a number of seconds.")
    return float(wait)


def _locked(path: ContainedPath, owner: str, seconds: float) -> IndexLockedError:
    """Return the error of a lock that `owner` still has after so many seconds."""
    if seconds in (0, math.inf):
        return IndexLockedError(
            f"{path.parent}: {owner} is writing to this index.", hint=Hint(Action.WAIT_FOR_WRITER)
        )
    return IndexLockedError(
        f"{path.parent}: {owner} is still writing to this index after {seconds:g} s.",
        hint=Hint(Action.WAIT_LONGER),
    )


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
