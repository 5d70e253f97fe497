"""Locks that die with their process: one writer, any number of readers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import portalocker

from vecsim.catalog import LogDamage, log_damage
from vecsim.errors import IndexLockedError, StorageError
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder


class WriterLock:
    """Held by the one process that writes to an index; its file names that process."""

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        """Take the lock, or raise `IndexLockedError` at once unless `wait`."""
        try:
            self._file: IO[str] = path.open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise StorageError(
                f"{path.parent}: the index cannot be written to ({error.strerror}). "
                f"Query it as it is, or copy it to a place where you may write."
            ) from error
        flags = portalocker.LockFlags.EXCLUSIVE
        if not wait:
            flags |= portalocker.LockFlags.NON_BLOCKING
        try:
            portalocker.lock(self._file, flags)
        except portalocker.LockException as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise IndexLockedError(
                f"{path.parent}: {owner} is writing to this index.",
                hint=Hint(Action.WAIT_FOR_WRITER),
            ) from error
        # The name is for people: on a disk that is full the lock holds without it.
        with suppress(OSError):
            os.ftruncate(self._file.fileno(), 0)
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(self._file.fileno(), f"process {os.getpid()} (since {started})".encode())

    def release(self) -> None:
        """Let the next writer in."""
        with suppress(OSError):
            os.ftruncate(self._file.fileno(), 0)
        self._file.close()


class ReaderLock:
    """Shared by readers. Nothing needs it on a medium where no writer can be."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] | None = None
        try:
            self._file = path.open(encoding="utf-8")
            portalocker.lock(self._file, portalocker.LockFlags.SHARED)
        except (OSError, portalocker.LockException):
            self.release()

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def exclude_writers(path: Path) -> Iterator[bool]:
    """Whether no process holds the writer's lock at `path`; none can while this goes on.

    On a medium that nobody can write to there is none.
    """
    flags = portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING
    with ExitStack() as opened:
        alone = True
        try:
            portalocker.lock(opened.enter_context(path.open(encoding="utf-8")), flags)
        except portalocker.LockException:
            alone = False
        except OSError:
            pass
        yield alone


def exclude_readers(path: Path) -> IO[str] | None:
    """Keep new readers out for as long as the returned file is open; None if one is in."""
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened ({error.strerror}).") from error
    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException:
        file.close()
        return None
    return file


def wal_damage(folder: IndexFolder, file: Path) -> LogDamage | None:
    """Check the write-ahead log of the SQLite file `file` before SQLite opens it.

    SQLite takes frames that it cannot read for a commit that was never finished, and drops them.
    Returns None for a sound log, and while a process writes to the index: that process checked the
    log when it opened the file.
    """
    if log_damage(file) is None:
        return None
    # A log that is being written to can look damaged: check it again with writers kept out.
    with exclude_writers(folder.writer_lock) as excluded:
        return log_damage(file) if excluded else None
