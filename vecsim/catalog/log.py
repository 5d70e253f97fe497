"""SQLite's write-ahead log, doubted: a changed byte in it would silently undo later commits.

After a crash SQLite reads the log up to the first frame whose checksum fails, and takes all that
follows for a commit that was never finished. That is true of the last commit only: each one is
synced before the next is written. So what follows a failed frame tells a torn end from damage.
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

_MAGIC = 0x377F0682
_HEADER = 32
_FRAME_HEADER = 24
_FRAMES_AT_ONCE = 1_000

UInt32 = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class LogDamage:
    """What is wrong with the log at `file`.

    `certain`: commits that were durable would be lost. Otherwise it may be what a power failure
    left of the last commit, which then never was one.
    """

    file: Path
    certain: bool

    @property
    def what(self) -> str:
        """For people."""
        if self.certain:
            return "damaged: changes that were committed can no longer be read from it"
        return "its last change is not whole: damaged, or what a power failure left of it"


def log_of(catalog: Path) -> Path:
    """The write-ahead log beside a catalog."""
    return Path(f"{catalog}-wal")


def memory_of(database: Path) -> Path:
    """What processes that have a database open share beside it; it holds nothing of its own."""
    return Path(f"{database}-shm")


def log_damage(catalog: Path) -> LogDamage | None:
    """What is wrong with the log beside the catalog, while no process writes to it."""
    file = log_of(catalog)
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return None
    with stream:
        header = stream.read(_HEADER)
        size = os.fstat(stream.fileno()).st_size
        page_size = _page_size(header)
        if page_size is None:
            # SQLite would pass over all of it. A header alone holds nothing.
            return LogDamage(file, certain=True) if size > _HEADER + _FRAME_HEADER + 512 else None
        count, rest = divmod(size - _HEADER, _FRAME_HEADER + page_size)
        current, sound, commits = _frames(stream, header, count, page_size)
    if sound.all():
        return None
    bad = int(np.flatnonzero(~sound)[0])
    # Frames of an earlier round, not yet overwritten, have other salts and do not count.
    after = np.flatnonzero(current[bad + 1 :]) + bad + 1
    if len(after) == 0:
        # The last frame of this round: killed between its header and its page, unless it ends the
        # file, where a page that was not written would be missing.
        return LogDamage(file, certain=False) if bad == count - 1 and not rest else None
    ended = np.flatnonzero(commits[bad : after[-1]] & current[bad : after[-1]])
    return LogDamage(file, certain=len(ended) > 0)


def _page_size(header: bytes) -> int | None:
    """The size of the pages in the log, or None if its header is damaged."""
    if len(header) < _HEADER:
        return None
    magic, _, page_size = struct.unpack(">III", header[:12])
    state = np.zeros(2, np.uint32)
    sums = _advance(np.frombuffer(header[:24], "<u4").astype(np.uint32)[None], state[None])
    stored = np.frombuffer(header[24:], ">u4")
    if magic != _MAGIC or page_size < 512 or (sums[0] != stored).any():
        return None
    return int(page_size)


def _frames(
    stream: BinaryIO, header: bytes, count: int, page_size: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of each frame: is it of the present round, is it sound (up to those that are not), and does
    it end a commit?
    """
    salts = header[16:24]
    previous = np.frombuffer(header[24:], ">u4").astype(np.uint32)
    current, sound, commits = [], [], []
    size = _FRAME_HEADER + page_size
    for start in range(0, count, _FRAMES_AT_ONCE):
        read = stream.read(min(_FRAMES_AT_ONCE, count - start) * size)
        number = len(read) // size
        if not number:  # cut by a process that writes just now
            break
        data = np.frombuffer(read, np.uint8, number * size).reshape(number, size)
        of_now = (data[:, 8:16] == np.frombuffer(salts, np.uint8)).all(axis=1)
        stored = np.ascontiguousarray(data[:, 16:24]).view(">u4").astype(np.uint32)
        summed = np.concatenate([data[:, :8], data[:, _FRAME_HEADER:]], axis=1)
        before = np.concatenate([previous[None], stored[:-1]])
        right = (_advance(summed.view(np.uint32), before) == stored).all(axis=1)
        current.append(of_now)
        sound.append(right | ~of_now)
        commits.append((data[:, 4:8] != 0).any(axis=1))
        previous = stored[-1]
    empty = np.empty(0, np.bool_)
    return (
        np.concatenate([empty, *current]),
        np.concatenate([empty, *sound]),
        np.concatenate([empty, *commits]),
    )


def _advance(words: UInt32, state: UInt32) -> UInt32:
    """SQLite's checksum of each row of `words` (n, 2m), begun at `state` (n, 2): shape (n, 2).

    Its two sums grow by `s0 += x + s1; s1 += y + s0`, for two words at a time; that is linear, so
    a whole row is one product, modulo 2**32.
    """
    coefficients, power = _powers(words.shape[1] // 2)
    return words @ coefficients + state @ power


@lru_cache(maxsize=4)
def _powers(pairs: int) -> tuple[UInt32, UInt32]:
    """What each word adds to the two sums (2m, 2), and what becomes of their start (2, 2)."""
    coefficients = np.empty((2 * pairs, 2), np.uint32)
    # [[p, q], [q, p + q]] is the power of [[1, 1], [1, 2]] that the words from here on apply.
    p, q = 1, 0
    for pair in reversed(range(pairs)):
        coefficients[2 * pair] = (p + q) % 2**32, (p + 2 * q) % 2**32
        coefficients[2 * pair + 1] = q, (p + q) % 2**32
        p, q = (p + q) % 2**32, (p + 2 * q) % 2**32
    return coefficients, np.array([[p, q], [q, (p + q) % 2**32]], np.uint32)
