"""Opens SQLite files that are untrusted, such as those of an index that was copied from elsewhere.

Nothing beside the file is a link or a rollback journal: SQLite would follow a link, and delete the
file that a journal names.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from vecsim.catalog.wal import journal_path, shm_path, wal_path
from vecsim.contained import ContainedPath
from vecsim.errors import IndexDamagedError, MisplacedFileError, StorageError, UsageError
from vecsim.hints import Action, Hint
from vecsim.machine import file_system_of, is_network_file_system

IMMUTABLE = "immutable=1"
CREATE = "mode=rwc"

_ALLOW_NETWORK = "VECSIM_NETWORK_FOLDER"

# Far above what the statements of this package need.
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,  # bytes of a value or row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,  # VACUUM attaches a file
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}


def check_own_files(path: ContainedPath, *, write: bool) -> None:
    """Check that an SQLite file and those beside it are regular files of this folder alone.

    Raises `MisplacedFileError`.
    """
    journal = journal_path(path)
    if journal.exists():
        raise MisplacedFileError(
            f"{journal}: SQLite would change the index by this file, and may delete other files "
            f"that it names; vecsim never writes one.",
            hint=Hint(Action.RESTORE_OR_REPAIR, path=path.root),
        )
    log, index_of_log = wal_path(path), shm_path(path)
    if index_of_log.has_file():
        _size_of_single(index_of_log)
    logged = _size_of_single(log) if log.has_file() else 0
    # A reader too writes the commits in a log to the file.
    if path.has_file() and (write or logged):
        _size_of_single(path)


def _size_of_single(path: ContainedPath) -> int:
    """Return the size of a file that has no other name, in bytes; 0 if it is gone meanwhile."""
    try:
        status = path.stat()
    except FileNotFoundError:  # the last process that had it open has just deleted it
        return 0
    if status.st_nlink > 1:
        raise MisplacedFileError(
            f"{path}: one file under several names (hard links): a change of one would change all. "
            f"Copy the index; the copy has a file of its own."
        )
    return status.st_size


def check_local_disk(folder: ContainedPath) -> None:
    """Raise `StorageError` if `folder` is on a network file system, unless that is allowed.

    SQLite's write-ahead log does not work over a network.
    """
    if os.environ.get(_ALLOW_NETWORK) == "allow":
        return
    name = file_system_of(folder.path)
    if is_network_file_system(name):
        raise StorageError(
            f"{folder}: on a network folder ({name}), where SQLite's catalog may be damaged when "
            f"two machines use it. Keep indexes on a local disk. If only this machine ever uses "
            f"this folder, set {_ALLOW_NETWORK}=allow."
        )


def open_mode(path: ContainedPath, write: bool) -> str:
    """Return SQLite's mode for the file: immutable in a folder that this process cannot write to,
    where SQLite could make no files for locks and logs.
    """
    if write or os.access(path.parent.path, os.W_OK):
        return "mode=rw"
    return "mode=ro" if wal_path(path).exists() else IMMUTABLE


def connect(
    path: ContainedPath, mode: str, *, shared: bool = False, defensive: bool = True
) -> sqlite3.Connection:
    """Connect to a file without trusting anything in it; nothing is read yet.

    `mode`: from `open_mode`, or `CREATE`. `shared`: threads take turns.
    `defensive`: no statement can change the schema but those that are meant to.
    Raises sqlite3.Error.
    """
    with path.library_path() as place:
        connection = sqlite3.connect(
            f"file:{quote(place)}?{mode}", uri=True, timeout=60, check_same_thread=not shared
        )
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    for statement in (
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
        "PRAGMA mmap_size=0",
    ):
        connection.execute(statement)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, defensive)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    return connection


class StatementEndedError(Exception):
    """SQLite ended a statement because the progress handler wanted it."""


def catalog_damaged(path: ContainedPath, reason: str) -> IndexDamagedError:
    """Return the error for a catalog whose content makes no sense."""
    return IndexDamagedError(
        f"{path}: the catalog is damaged ({reason}).",
        hint=Hint(Action.REPAIR_INDEX, path=path.root),
    )


@contextmanager
def translated(path: ContainedPath) -> Iterator[None]:
    """Turn errors of SQLite in the block into vecsim's own, and `StatementEndedError`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise catalog_damaged(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if text == "interrupted":
            raise StatementEndedError from error
        if "closed database" in text:
            raise UsageError(
                f"{path.root}: the index is closed. Read its results while it is open."
            ) from error
        if "readonly" in text or "read-only" in text:
            raise StorageError(f"{path}: cannot be written ({text}).") from error
        if "full" in text or "disk I/O" in text or "unable to open" in text:
            raise StorageError(f"{path}: {text}.", hint=Hint(Action.MAKE_ROOM)) from error
        if "locked" in text or "busy" in text:
            raise StorageError(
                f"{path}: busy for too long ({text}).", hint=Hint(Action.TRY_AGAIN)
            ) from error
        raise catalog_damaged(path, text) from error


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """A transaction, or a part of the one that is open."""
    if connection.in_transaction:
        yield
        return
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def file_state(path: ContainedPath) -> tuple[object, ...]:
    """Return what differs after a change of the file; a process that writes has a log beside it."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns, wal_path(path).exists()
