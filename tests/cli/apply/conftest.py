"""Fixtures for tests of `vecsim apply` and `vecsim undo`: an indexed folder and lists for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.apply_lists import write_choices
from support.commands import run
from support.web_server import PICTURES


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `kept`, of which each test gets a copy at the place of `now`.

    The index has the absolute paths of its pictures, so it can be used at one place only.
    """
    base = tmp_path_factory.mktemp("apply")
    home = base / "now" / "Pictures"
    (home / "old").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        shutil.copy(PICTURES / name, home / name)
    shutil.copy(PICTURES / "3.jpg", home / "old" / "3.jpg")
    shutil.copy(PICTURES / "4.jpg", home / "old" / "four.jpg")
    for number, path in enumerate(sorted(home.rglob("*.jpg"))):
        os.utime(path, ns=(1_700_000_000_000_000_000 + number, 1_600_000_000_123_456_789 + number))
        path.chmod(0o640 if number % 2 else 0o604)
    run("build-index", base / "now" / "idx", home)
    shutil.copytree(base / "now", base / "kept")
    return base


@pytest.fixture
def folder(indexed: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index `idx` of `Pictures`: 3.jpg, two edited copies, and exact copies in subfolders.

    Both are in the current folder.
    """
    shutil.rmtree(indexed / "now")
    shutil.copytree(indexed / "kept", indexed / "now")
    monkeypatch.chdir(indexed / "now")
    return Path("Pictures")


@pytest.fixture
def copies(folder: Path) -> Path:
    """A list that gives up both exact copies."""
    return write_choices(
        {
            "3.jpg": ("1", "yes"),
            "old/3.jpg": ("1", "no"),
            "4.jpg": ("2", "yes"),
            "old/four.jpg": ("2", "no"),
        }
    )


@pytest.fixture
def one(folder: Path) -> Path:
    """A list that gives up one exact copy."""
    return write_choices({"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no")})
