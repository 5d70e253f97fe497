"""The folder that is to hold indexes: its file system, room and speed."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from vecsim.machine import file_system_of, is_network_file_system
from vecsim.operations.doctor.finding import Finding

_MEGABYTES = 32
_SYNCS = 16
_SLOW_SYNC = 0.050  # seconds; a commit waits for about five of them
_SLOW_DISK = 20.0  # megabytes a second
_LITTLE_ROOM = 2e9  # bytes

_MEMORY = {"tmpfs", "ramfs"}


def findings(folder: Path) -> Iterator[Finding]:
    """What can be said of `folder`, or of the one above it in which it would be made."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    there = f"{folder}" if place == folder else f"{folder} (to be made in {place})"
    yield _file_system(there, file_system_of(place))
    yield _room(place)
    try:
        speed, sync = _measure(place)
    except OSError as error:
        yield Finding(
            "write speed",
            f"{place} cannot be written to ({error.strerror})",
            "Indexes here can be read, not made. Name a folder that you may write to.",
        )
        return
    text = f"{speed:,.0f} MB/s; an fsync takes {1e3 * sync:.1f} ms"
    slow = speed < _SLOW_DISK or sync > _SLOW_SYNC
    advice = "Adding a few images at a time will be slow. Keep indexes on a local SSD."
    yield Finding("write speed", text, advice if slow else "")


def _file_system(folder: str, kind: str) -> Finding:
    text = f"{folder} on {kind or 'an unknown file system'}"
    if is_network_file_system(kind):
        return Finding(
            "index folder",
            text,
            "SQLite needs a local disk: build the index there, and copy it for others to read.",
        )
    if kind in _MEMORY:
        return Finding("index folder", text, "It is in memory, and gone after a restart.")
    return Finding("index folder", text)


def _room(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:,.1f} GB, room for {_rounded(free / 4600)} images of 1,024 dimensions"
    return Finding("free space", text, "Make room: vecsim stops where a disk is full." * _few(free))


def _few(free: int) -> bool:
    return free < _LITTLE_ROOM


def _rounded(count: float) -> str:
    return f"{count / 1e6:,.0f} million" if count >= 2e6 else f"{count:,.0f}"


def _measure(place: Path) -> tuple[float, float]:
    """Megabytes a second of a large synced write, and the median seconds of a small one."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:
        started = time.perf_counter()
        for _ in range(_MEGABYTES):
            file.write(block)
        os.fsync(file.fileno())
        speed = _MEGABYTES * 1.048576 / (time.perf_counter() - started)
        syncs = []
        for _ in range(_SYNCS):
            file.write(block[:4096])
            started = time.perf_counter()
            os.fsync(file.fileno())
            syncs.append(time.perf_counter() - started)
    return speed, statistics.median(syncs)
