"""A build's memory has a limit, however long the list; most rows here end quickly."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import pytest
from index.on_disk import rows

from vecsim import Index

from .commands import start
from .shop import picture

GIGABYTE = 1_000_000_000
FILES = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(FILES):
        (folder / f"{number}.png").write_bytes(picture(number))
    return folder


def write_list(path: Path, folder: Path, count: int) -> Path:
    """Rows that end quickly: files that are missing, and the same few files in many spellings."""
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
    """Build the index; return the process's peak of resident memory, and the seconds."""
    started = time.monotonic()
    process = start("--quiet", "build-index", path, source)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.communicate() == ("", "")
    assert process.returncode == 3
    return usage.ru_maxrss * 1024, time.monotonic() - started


@pytest.mark.parametrize(
    ("few", "many"), [(30_000, 60_000), pytest.param(40_000, 200_000, marks=pytest.mark.slow)]
)
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
    assert peaks[1] < peaks[0] * 1.1 + 30_000_000
