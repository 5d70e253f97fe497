"""Damaged and read-only indexes: errors name the file, and nothing is changed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMANDS = {
    "match": lambda index: ("match", index),
    "query": lambda index: ("query", index, "--id", "1"),
    "add": lambda index: ("add", index, "second.csv"),
    "info": lambda index: ("info", index),
    "compact": lambda index: ("compact", index),
}


def _segment(index: Path) -> Path:
    return next((index / "segments").glob("*.faiss"))


def _cut_segment(index: Path) -> str:
    segment = _segment(index)
    segment.write_bytes(segment.read_bytes()[:-100])
    return f"{segment}: damaged: "


def _lose_segment(index: Path) -> str:
    segment = _segment(index)
    segment.unlink()
    return f"{segment}: missing, though the catalog names it."


def _overwrite_catalog(index: Path) -> str:
    (index / "catalog.db").write_text("no database")
    return f"{index}/catalog.db: the catalog is damaged (file is not a database)."


def _cut_catalog(index: Path) -> str:
    os.truncate(index / "catalog.db", 20_000)
    return f"{index}/catalog.db: the catalog is damaged (database disk image is malformed)."


def _empty_catalog(index: Path) -> str:
    os.truncate(index / "catalog.db", 0)
    return f"{index}/catalog.db: not a vecsim catalog."


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "damage", [_cut_segment, _lose_segment, _overwrite_catalog, _cut_catalog, _empty_catalog]
)
def test_an_error_names_the_damaged_file(
    damage: Callable[[Path], str], command: str, vecsim, index: Path, second: Path
) -> None:
    message = damage(index)

    ran = vecsim(*COMMANDS[command](index))

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"Error: {message}")


@pytest.mark.parametrize("damage", [_cut_segment, _lose_segment, _overwrite_catalog, _cut_catalog])
def test_verify_finds_damage(damage: Callable[[Path], str], vecsim, index: Path) -> None:
    message = damage(index)

    ran = vecsim("verify", index)

    assert ran.status == 1
    assert ran.out.startswith(message.rstrip("."))
    assert ran.err.endswith("keep the rest with: vecsim repair six\n")


def test_verify_finds_a_changed_vector(vecsim, index: Path) -> None:
    assert vecsim("verify", index).err == "six: no problems found.\n"
    segment = _segment(index)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)

    ran = vecsim("verify", index)

    assert ran.status == 1
    assert f"{segment}: damaged: its SHA-256 is not the one the catalog recorded" in ran.out


@pytest.fixture
def read_only(index: Path, second: Path, workplace: Path) -> Callable[..., tuple[int, str, str]]:
    """Run a command in a mount namespace in which the whole folder is read-only."""
    mount = f"mount --bind {workplace} {workplace} && mount -o remount,ro,bind {workplace}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("not permitted to make a read-only mount")

    def run(*words: object) -> tuple[int, str, str]:
        command = shlex.join([sys.executable, "-m", "vecsim", *map(str, words)])
        script = f"{mount} && cd {workplace} && exec {command}"
        ran = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
        return ran.returncode, ran.stdout, ran.stderr

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "six", "second.csv"), "six: the index cannot be written to (Read-only file sys"),
        (("build-index", "new", "second.csv"), "new: the index cannot be created here (Read-only"),
        (("match", "six", "second.csv"), "VECSIM_INDEXES names another folder."),
        (("match", "six", "-o", "x.csv"), "x.csv: the folder . cannot be written to."),
        (("list-images", "pics", "-o", "x.csv"), "cannot write x.csv: Read-only file system."),
    ],
)
@pytest.mark.ci
def test_an_error_names_a_read_only_disk(words, message: str, read_only) -> None:
    status, out, err = read_only(*words)

    assert (status, out) == (1, "")
    assert message in err
    assert "unexpected" not in err


def test_an_index_on_a_read_only_disk_can_be_queried(read_only, vecsim) -> None:
    status, out, _ = read_only("query", "six", "--id", "1")

    assert status == 0
    assert out == vecsim("query", "six", "--id", "1").out
