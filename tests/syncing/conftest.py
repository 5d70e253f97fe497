"""Helpers for tests of `sync`: pictures in a folder, and the state of an index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import rows, vectors_by_key
from support.shop import picture

LIVE = "FROM images WHERE removed_generation IS NULL ORDER BY id"


def state(path: Path) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """URL, fields and vector of each image of an index, by id."""
    vectors = vectors_by_key(path)
    return {
        id_: (url, json.loads(fields), np.asarray(vectors[key]).tobytes())
        for key, id_, url, fields in rows(path, f"SELECT key, id, url, fields {LIVE}")
    }


def added_at(path: Path) -> dict[str, str]:
    """When each image was added, by id."""
    return dict(rows(path, f"SELECT id, added_at {LIVE}"))


def ids(path: Path) -> list[str]:
    """The names of the files or the ids of all images, sorted."""
    return sorted(Path(id_).name for (id_,) in rows(path, f"SELECT id {LIVE}"))


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
