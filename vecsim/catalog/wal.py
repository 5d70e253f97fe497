"""Checks the frames of SQLite's write-ahead log (WAL).

A changed byte in the log would make SQLite ignore all later commits without an error: after a crash
it reads up to the first frame whose checksum fails, and takes the rest for a commit that was never
finished. That can be true of the last commit only, because each one is synced before the next is
written. So a failed frame that a later commit follows means damage, and one at the end may be what
a power failure left.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from vecsim.contained import ContainedPath

_MAGIC = 0x377F0682
_HEADER = 32
_FRAME_HEADER = 24
_FRAMES_AT_ONCE = 1_000

UInt32 = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class WalDamage:
    """Damage of the log `file`.

    `certain`: commits that were durable would be lost. Otherwise it may be what a power failure
    left of the last commit, which then was never finished.
    """

    file: Path
    certain: bool

    @property
    def what(self) -> str:
        """Describe the damage, for people."""
        if self.certain:
            return "damaged: changes that were committed can no longer be read from it"
        return "its last change is incomplete: damaged, or what a power failure left of it"


def wal_path(database: ContainedPath) -> ContainedPath:
    """Return the path of the write-ahead log beside a SQLite file."""
    return database.with_name(f"{database.name}-wal")


def shm_path(database: ContainedPath) -> ContainedPath:
    """Return the path of the file that processes share to find frames in the log.

    SQLite rebuilds it from the log.
    """
    return database.with_name(f"{database.name}-shm")


def journal_path(database: ContainedPath) -> ContainedPath:
    """Return the path of the rollback journal beside a SQLite file, which vecsim never makes."""
    return database.with_name(f"{database.name}-journal")


def check_wal(database: ContainedPath) -> WalDamage | None:
    """Check the log beside a SQLite file, to which no process writes; None if it is sound."""
    file = wal_path(database)
    try:
        stream = file.open()
    except FileNotFoundError:
        return None
    with stream:
        header = stream.read(_HEADER)
        size = os.fstat(stream.fileno()).st_size
        page_size = _page_size(header)
        if page_size is None:
            # SQLite would ignore the whole log. A header alone contains no commit.
            return (
                WalDamage(file.path, certain=True) if size > _HEADER + _FRAME_HEADER + 512 else None
            )
        count, rest = divmod(size - _HEADER, _FRAME_HEADER + page_size)
        current, sound, commits = _frames(stream, header, count, page_size)
    if sound.all():
        return None
    bad = int(np.flatnonzero(~sound)[0])
    # SQLite starts the log anew after a checkpoint, with other salts. Frames that still have the
    # earlier salts are not part of it.
    after = np.flatnonzero(current[bad + 1 :]) + bad + 1
    if len(after) == 0:
        # The last frame: its writer was killed between its header and its page, unless the frame
        # ends the file, where a page that was not written would be missing.
        return WalDamage(file.path, certain=False) if bad == count - 1 and not rest else None
    ended = np.flatnonzero(commits[bad : after[-1]] & current[bad : after[-1]])
    return WalDamage(file.path, certain=len(ended) > 0)


def _page_size(header: bytes) -> int | None:
    """Return the size of the pages in the log, or None if its header is damaged."""
    if len(header) < _HEADER:
        return None
    magic, _, page_size = struct.unpack(">III", header[:12])
    state = np.zeros(2, np.uint32)
    sums = _advance(np.frombuffer(header[:24], "<u4").astype(np.uint32)[None], state[None])
    stored = np.frombuffer(header[24:], ">u4")
    sizes = [1 << power for power in range(9, 17)]  # as SQLite allows them
    if magic != _MAGIC or page_size not in sizes or (sums[0] != stored).any():
        return None
    return int(page_size)


def _frames(
    stream: BinaryIO, header: bytes, count: int, page_size: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return for each of `count` frames: does it have the salts of the header, is it sound or has
    other salts, and does it end a commit?
    """
    salts = header[16:24]
    previous = np.frombuffer(header[24:], ">u4").astype(np.uint32)
    current, sound, commits = [], [], []
    size = _FRAME_HEADER + page_size
    for start in range(0, count, _FRAMES_AT_ONCE):
        read = stream.read(min(_FRAMES_AT_ONCE, count - start) * size)
        number = len(read) // size
        if not number:  # another process has truncated the file meanwhile
            break
        data = np.frombuffer(read, np.uint8, number * size).reshape(number, size)
        same_salts = (data[:, 8:16] == np.frombuffer(salts, np.uint8)).all(axis=1)
        stored = np.ascontiguousarray(data[:, 16:24]).view(">u4").astype(np.uint32)
        summed = np.concatenate([data[:, :8], data[:, _FRAME_HEADER:]], axis=1)
        before = np.concatenate([previous[None], stored[:-1]])
        right = (_advance(summed.view(np.uint32), before) == stored).all(axis=1)
        current.append(same_salts)
        sound.append(right | ~same_salts)
        commits.append((data[:, 4:8] != 0).any(axis=1))
        previous = stored[-1]
    empty = np.empty(0, np.bool_)
    return (
        np.concatenate([empty, *current]),
        np.concatenate([empty, *sound]),
        np.concatenate([empty, *commits]),
    )


def _advance(words: UInt32, state: UInt32) -> UInt32:
    """Return SQLite's checksum of each row of `words` (n, 2m), started with `state` (n, 2): (n, 2).

    For every two words x, y its two sums change by `s0 += x + s1; s1 += y + s0`. That is linear, so
    that the checksum of a row is one product modulo 2**32.
    """
    coefficients, power = _powers(words.shape[1] // 2)
    return words @ coefficients + state @ power


@lru_cache(maxsize=4)
def _powers(pairs: int) -> tuple[UInt32, UInt32]:
    """Return what each word adds to the two sums (2m, 2), and the matrix for their start (2, 2)."""
    coefficients = np.empty((2 * pairs, 2), np.uint32)
    # [[p, q], [q, p + q]] is the power of [[1, 1], [1, 2]] that the later words apply.
    p, q = 1, 0
    for pair in reversed(range(pairs)):
        coefficients[2 * pair] = (p + q) % 2**32, (p + 2 * q) % 2**32
        coefficients[2 * pair + 1] = q, (p + q) % 2**32
        p, q = (p + q) % 2**32, (p + 2 * q) % 2**32
    return coefficients, np.array([[p, q], [q, (p + q) % 2**32]], np.uint32)
