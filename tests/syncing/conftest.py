"""Fixtures for tests of `sync`: pictures in a folder, and lists of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.shop import picture


@pytest.fixture(autouse=True)
def phash_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process use phash, and no proxy to servers on this machine."""
    monkeypatch.setenv("VECSIM_MODEL", "phash")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of ten pictures, 0.png to 9.png, in two subfolders."""
    folder = tmp_path / "Pictures"
    for number in range(10):
        file = folder / ("a" if number < 5 else "b") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(number))
    return folder


@pytest.fixture
def write_list(tmp_path: Path) -> Callable[..., Path]:
    """Writes a list: rows of id, file below the folder of pictures or URL, and title."""

    def write(name: str, *listed: tuple[str, object, str]) -> Path:
        lines = ["id,url,title", *(f"{id_},{url},{title}" for id_, url, title in listed)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write
