"""The memory of a build does not grow with the length of the list."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import pytest

from support.commands import start
from support.on_disk import rows
from support.shop import picture
from vecsim import Index

GIGABYTE = 1_000_000_000
FILES = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(FILES):
        (folder / f"{number}.png").write_bytes(picture(number))
    return folder


def write_list(path: Path, folder: Path, count: int) -> Path:
    """Write a list of missing files, and of a few files in many spellings: rows that end soon."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "url"])
        for row in range(count):
            picture = f"{row * 31 % FILES}.png"
            spellings = [
                folder / "missing" / f"{row}.png",
                folder / picture,
                f"file://{folder}/./{picture}",
                f"{folder}/{'./' * (row % 1000)}{picture}",
            ]
            writer.writerow([f"id-{row}", f"A title of row {row}", spellings[row % 4]])
    return path


def build(path: Path, source: Path) -> tuple[int, float]:
    """Build the index; return the peak of the process's resident memory in bytes, and seconds.

    Read from /proc while it runs: the figure of `wait4` includes what the parent (the test runner,
    which may have loaded TensorFlow) held when it forked.
    """
    started = time.monotonic()
    process = start("--quiet", "build-index", path, source)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_peak(process.pid))
        time.sleep(0.02)
    assert process.communicate() == ("", "")
    assert process.returncode == 3
    return peak, time.monotonic() - started


def resident_peak(pid: int) -> int:
    """Return the peak of resident memory so far, in bytes; 0 if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # the process has just ended
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


@pytest.mark.parametrize(
    ("few", "many"), [(30_000, 60_000), pytest.param(40_000, 200_000, marks=pytest.mark.slow)]
)
@pytest.mark.ci
def test_memory_does_not_grow_with_the_list(
    few: int, many: int, folder: Path, tmp_path: Path
) -> None:
    peaks = []
    for count in (few, many):
        path = tmp_path / str(count)
        peak, seconds = build(path, write_list(tmp_path / f"{count}.csv", folder, count))
        print(f"{count:,} rows: {peak / 1e6:,.0f} MB, {count / seconds:,.0f} rows/s")
        assert rows(path, "SELECT count(*) FROM failures") == [(count // 4,)]
        with Index.open(path) as index:
            assert len(index) == count - count // 4
        peaks.append(peak)
    assert max(peaks) < GIGABYTE
    # What the allocator keeps differs by 40 MB between two runs of one list.
    assert peaks[1] < peaks[0] * 1.1 + 50_000_000
