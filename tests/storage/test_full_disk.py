"""A full disk: a clear message, nothing is lost, the same command ends once there is room.

The disk is a real one of four megabytes, in memory; mounting it needs rights.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import run
from support.on_disk import content
from support.shop import picture

COUNT = 40
ONE_BY_ONE = {"VECSIM_CHUNK_IMAGES": "1"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small disk needs rights: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A list of pictures whose long titles make a large catalog."""
    lines = ["id,title,url"]
    for number in range(COUNT):
        file = tmp_path / f"{number}.png"
        file.write_bytes(picture(number))
        lines.append(f"p{number},{'long title ' * 100},{file}")
    listed = tmp_path / "shop.csv"
    listed.write_text("\n".join(lines))
    return listed


def ballast(disk: Path, leave: int) -> Path:
    """Fill the disk except for `leave` bytes."""
    free = int(subprocess.check_output(["stat", "-f", "-c", "%a", disk])) * 4096
    file = disk / "ballast"
    file.write_bytes(bytes(max(0, free - leave)))
    return file


@pytest.mark.parametrize("leave", [450_000, pytest.param(600_000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_build_on_a_full_disk(leave: int, disk: Path, source: Path, tmp_path: Path) -> None:
    run("build-index", tmp_path / "undisturbed", source, **ONE_BY_ONE)
    path = disk / "shop"
    filler = ballast(disk, leave)

    said = run("build-index", path, source, status=1, **ONE_BY_ONE)

    assert f"Error: {path}" in said
    assert "full" in said or "No space left" in said
    assert "What was committed before is safe" in said
    if path.exists():
        run("verify", path)
        before = content(path)
        assert 0 < len(before) < COUNT
        again = run("build-index", path, source, status=1, **ONE_BY_ONE)
        assert "itself failed" not in again
        assert content(path)[: len(before)] == before
    filler.unlink()
    run("build-index", path, source, **ONE_BY_ONE)
    assert content(path) == content(tmp_path / "undisturbed")
    run("verify", path)


@pytest.mark.ci
def test_create_on_a_full_disk_is_refused(disk: Path, source: Path) -> None:
    filler = ballast(disk, 8_192)
    said = run("build-index", disk / "shop", source, status=1)
    assert said.startswith(f"Error: {disk / 'shop'}")
    assert "full" in said or "No space left" in said
    filler.unlink()
    assert [file.name for file in disk.iterdir()] == []
    run("build-index", disk / "shop", source)


@pytest.mark.ci
def test_index_on_a_full_disk_can_be_searched(disk: Path, source: Path) -> None:
    run("build-index", disk / "shop", source)
    filler = ballast(disk, 0)
    said = run("match", disk / "shop", status=(0, 1))
    assert "itself failed" not in said
    run("verify", disk / "shop", status=(0, 1))
    run("remove", disk / "shop", "p3", status=1)
    run("compact", disk / "shop", status=1)
    filler.unlink()
    run("verify", disk / "shop")
    assert len(content(disk / "shop")) == COUNT
