"""Orientations on a cluster: stored as one machine stores them, matched with the same result."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.commands import run
from support.on_disk import turned

from .conftest import Nodes

pytestmark = pytest.mark.slow

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


def test_turned_pictures_are_stored_and_matched_as_on_one_machine(
    nodes: Nodes, tmp_path: Path
) -> None:
    nodes.have(2)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in PICTURES.iterdir():
        with Image.open(path) as image:
            image.save(folder / f"{path.stem}.png")
            image.transpose(Image.Transpose.ROTATE_90).save(folder / f"{path.stem}-turned.png")
    here, there = tmp_path / "here", tmp_path / "there"
    run("build-index", here, folder, "--orientations", "turns")
    run("build-index", there, folder, "--orientations", "turns", *nodes.options)
    assert turned(there) == turned(here)
    assert len(turned(there)) == 3 * 12

    run("add", here, "--orientations", "all")
    run("add", there, "--orientations", "all", *nodes.options)
    assert turned(there) == turned(here)
    assert len(turned(there)) == 7 * 12

    for indexes in ((here,), (here, there)):
        match = ("match", *indexes, "--orientations", "turns", "--output")
        run(*match, tmp_path / "here.csv")
        run(*match, tmp_path / "there.csv", *nodes.options)
        rows = (tmp_path / "here.csv").read_bytes()
        assert rows.count(b",90\n") >= 6
        assert (tmp_path / "there.csv").read_bytes() == rows
