"""Fixtures for tests of `vecsim apply` and `vecsim undo`: an indexed folder and lists for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.apply_lists import write_choices


@pytest.fixture
def folder(vecsim, pictures: Path) -> Path:
    """An index `idx` of `Pictures`: 3.jpg, two edited copies, and exact copies in subfolders."""
    home = Path("Pictures")
    (home / "old").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        shutil.copy(pictures / name, home / name)
    shutil.copy(pictures / "3.jpg", home / "old" / "3.jpg")
    shutil.copy(pictures / "4.jpg", home / "old" / "four.jpg")
    for number, path in enumerate(sorted(home.rglob("*.jpg"))):
        os.utime(path, ns=(1_700_000_000_000_000_000 + number, 1_600_000_000_123_456_789 + number))
        path.chmod(0o640 if number % 2 else 0o604)
    assert vecsim("build-index", "idx", home).status == 0
    return home


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
