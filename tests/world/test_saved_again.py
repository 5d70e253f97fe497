"""Placeholders that a shop has saved again, each with bytes of its own, through the command."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from support.commands import run_here
from support.pictures import file_of, photograph
from vecsim import Index, match

SIDES = (600, 400, 300, 200)
QUALITIES = (95, 75, 50)


def _no_image() -> Image.Image:
    """A frame with mountains in it, as shops show where they have no picture."""
    picture = Image.new("RGB", (600, 600), (238, 238, 238))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((130, 160, 470, 440), outline=(150, 150, 150), width=14)
    draw.polygon([(150, 420), (250, 260), (330, 360), (380, 300), (450, 420)], fill=(170, 170, 170))
    return picture


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve placeholders, no two with the same bytes, and a photograph with a copy."""
    folder = tmp_path_factory.mktemp("again") / "pictures"
    folder.mkdir()
    for side in SIDES:
        for quality in QUALITIES:
            small = _no_image().resize((side, side), Image.Resampling.LANCZOS)
            small.save(folder / f"none-{side}-{quality}.jpg", quality=quality)
    (folder / "photo.png").write_bytes(file_of(photograph()))
    photograph().resize((80, 60)).save(folder / "copy.jpg", quality=90)
    run_here("build-index", folder.parent / "index", folder, "--model", "phash")
    return folder.parent / "index"


def _names(said: str) -> set[frozenset[str]]:
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {
        frozenset(Path(row[f"{side}_id"]).stem for side in ("query", "reference")) for row in rows
    }


def test_all_copies_pass_without_the_option(index: Path) -> None:
    assert len(_names(run_here("match", index, "-f", "jsonl"))) == 12 * 11 // 2 + 1


def test_copies_are_left_out_by_their_likeness(index: Path) -> None:
    said = run_here("match", index, "-f", "jsonl", "--skip-placeholders", "5")
    assert _names(said) == {frozenset({"photo", "copy"})}
    assert "12 images left out: 1 picture shared by 5 or more." in said


def test_fewer_copies_than_asked_for_stay(index: Path) -> None:
    said = run_here("match", index, "-f", "jsonl", "--skip-placeholders", "13")
    assert len(_names(said)) == 12 * 11 // 2 + 1


def test_a_copy_is_left_out_beside_files_with_the_same_bytes(index: Path, tmp_path: Path) -> None:
    """The bytes are shared by five images; two more copies have bytes of their own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    source = index.parent / "pictures"
    for number in range(5):
        shutil.copy(source / "none-600-95.jpg", folder / f"same-{number}.jpg")
    for name in ("none-300-50.jpg", "none-200-75.jpg", "photo.png", "copy.jpg"):
        shutil.copy(source / name, folder / name)
    run_here("build-index", tmp_path / "index", folder, "--model", "phash")
    said = run_here("match", tmp_path / "index", "-f", "jsonl", "--skip-placeholders", "5")
    assert _names(said) == {frozenset({"photo", "copy"})}
    assert "7 images left out: 1 picture shared by 5 or more." in said


def test_the_other_side_of_a_match_loses_its_copy(index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    _no_image().resize((250, 250)).save(folder / "one.png")
    (folder / "photo.png").write_bytes(file_of(photograph().resize((90, 70))))
    run_here("build-index", tmp_path / "other-index", folder, "--model", "phash")
    for first, second in ((index, tmp_path / "other-index"), (tmp_path / "other-index", index)):
        said = run_here("match", first, second, "-f", "jsonl", "--skip-placeholders", "5")
        assert not any("one" in pair for pair in _names(said))
        assert "13 images left out" in said


def test_a_query_for_a_copy_is_left_out(index: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    _no_image().resize((250, 250)).save(stream, "PNG")
    (tmp_path / "new.png").write_bytes(stream.getvalue())
    query = ("query", index, "--url", tmp_path / "new.png", "-f", "jsonl")
    assert len(_names(run_here(*query))) == 12
    assert _names(run_here(*query, "--skip-placeholders", "5")) == set()


def test_vectors_from_elsewhere_stay(tmp_path: Path) -> None:
    Index.from_vectors(tmp_path / "own", np.ones((6, 4), np.float32), list("abcdef")).close()
    found = match(tmp_path / "own", threshold=0.9, skip_placeholders=3)
    assert len(list(found)) == 15
