"""Limits of what a statement reads and does: what its file can hold.

A damaged or untrusted SQLite file may have the same page in a tree many times, so that a scan never
ends, and the same bytes in any number of rows, which share their overflow pages.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from vecsim.catalog.opening import catalog_damaged
from vecsim.catalog.wal import wal_path
from vecsim.contained import ContainedPath

# Steps of SQLite's virtual machine between two calls of the progress handler: about a millisecond.
_STEPS = 100_000
# A statement is ended after this many calls, and more for each byte of the file: a row
# of 100 bytes may take 10,000 steps.
_LEAST_CALLS = 500
_CALLS_PER_BYTE = 100 / _STEPS

# Rows of a statement may have this many bytes in all, or as many as the file.
_LEAST_BYTES = 1 << 20
_ROW_BYTES = 4
"""Bytes that each row has in a file at least."""

# Rows with more bytes than this have overflow pages, or nearly. A tenth of it is in their own page
# at least, so that rows that share overflow pages can hold ten times the file if all are shorter.
_LONG_ROW = 4_096


class Spent(NamedTuple):
    """What statements have taken of their limits: calls of the progress handler, bytes of rows."""

    calls: int = 0
    byte_count: int = 0


class WorkLimit:
    """Ends statements that read more than their file can hold, and lets Python handle signals."""

    def __init__(self, path: ContainedPath, connection: sqlite3.Connection) -> None:
        self._path = path
        self._calls = self._bytes = 0
        self._allowed_calls: float = _LEAST_CALLS
        self._allowed_bytes = _LEAST_BYTES
        self._long_bytes = self._unsaved_bytes = 0
        self._lifted = self._checking = False
        self.exceeded = False
        connection.set_progress_handler(self._on_steps, _STEPS)

    @property
    def spent(self) -> Spent:
        """What was taken since `begin`."""
        return Spent(self._calls, self._bytes)

    def begin(self, spent: Spent = Spent()) -> None:  # noqa: B008 (it never changes)
        """Note that a statement begins. `spent`: by earlier ones, of which it is a part."""
        self._calls, self._bytes = spent

    def lift(self) -> None:
        """Allow statements of any length from now on, for tables that are not in the file."""
        self._lifted = True

    def note_unsaved(self, byte_count: int) -> None:
        """Take so many bytes of pages as part of the file: a transaction has them in memory."""
        self._unsaved_bytes = byte_count

    def is_check_due(self) -> bool:
        """Return whether long rows of as many bytes as the file has were read since the last check.

        Statements that read few of them each pass their own limit.
        """
        if self._checking or self._long_bytes <= self._allowed_bytes:
            return False
        return self._long_bytes > self._most_bytes()

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Limit the statements of the block, whatever was lifted, apart from what was spent."""
        kept = self._lifted, self.spent
        self._lifted, self._checking = False, True
        try:
            yield
        finally:
            self._checking, self._long_bytes = False, 0
            self._lifted, (self._calls, self._bytes) = kept

    def fetch(
        self, cursor: sqlite3.Cursor, check: Callable[[], None] = lambda: None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement. Raises `IndexDamagedError` if the file cannot hold them.

        The rows may be parts of rows, but none is there twice. `check`: raises that error if the
        rows of the file are too long together; called for statements whose limit was lifted.
        """
        rows, size, allowed = [], self._bytes, self._allowed_bytes
        for row in cursor:
            rows.append(row)
            size += _ROW_BYTES
            for value in row:  # as in `byte_count`: a call would double the time of short rows
                if value.__class__ is str or value.__class__ is bytes:
                    size += len(value)
            if size > allowed:
                if size <= self._most_bytes():
                    allowed = self._allowed_bytes
                elif self._lifted:
                    check()
                    allowed = sys.maxsize
                else:
                    raise catalog_damaged(self._path, "its rows hold more than the whole file")
        if allowed < sys.maxsize and size - self._bytes > _LONG_ROW * len(rows):
            self._long_bytes += size - self._bytes
        self._bytes = size
        return rows

    def can_be_read(self, byte_count: int) -> bool:
        """Return whether different rows of the file can have so many bytes together."""
        return byte_count <= self._allowed_bytes or byte_count <= self._most_bytes()

    def _most_bytes(self) -> int:
        """Return how many bytes all rows can have together now."""
        self._allowed_bytes = max(_LEAST_BYTES, self._size() + self._unsaved_bytes)
        return self._allowed_bytes

    def _on_steps(self) -> bool:
        """Return whether the statement is to be ended; SQLite calls it every `_STEPS` steps."""
        self._calls += 1
        if self._calls > self._allowed_calls and not self._lifted:
            self._allowed_calls = _LEAST_CALLS + _CALLS_PER_BYTE * self._size()
            self.exceeded = self._calls > self._allowed_calls
        return self.exceeded

    def _size(self) -> int:
        """Return the bytes of the file and its log."""
        return sum(
            file.stat().st_size for file in (self._path, wal_path(self._path)) if file.exists()
        )


def byte_count(row: Iterable[Any]) -> int:
    """Return how many bytes the values of a row, or a part of it, take in a file at least."""
    return _ROW_BYTES + sum(
        [len(value) for value in row if value.__class__ is str or value.__class__ is bytes]
    )
