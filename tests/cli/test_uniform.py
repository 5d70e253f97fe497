"""Pictures of one colour are counted and left out of answers, through the real command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import run_here
from support.label_page import label_pairs
from support.on_disk import rows
from support.pictures import file_of, photograph
from vecsim import Index, match

GOLDEN = Path(__file__).parents[1] / "index" / "golden"
BLANKS = {"white.png": "white", "red.jpg": (200, 30, 30), "black.png": "black"}


def _counted(said: str) -> int:
    """How many pairs the table of `calibrate` counts."""
    return sum(json.loads(line)["pairs"] for line in said.splitlines() if line.startswith("{"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blank pictures, and a photograph with a smaller copy of itself."""
    made = tmp_path_factory.mktemp("uniform") / "pictures"
    made.mkdir()
    for name, colour in BLANKS.items():
        Image.new("RGB", (200, 150), colour).save(made / name)
    (made / "photo.png").write_bytes(file_of(photograph()))
    photograph().resize((80, 60)).save(made / "small.jpg", quality=90)
    return made


@pytest.fixture(scope="module")
def index(folder: Path) -> Path:
    path = folder.parent / "index"
    said = run_here("build-index", path, folder, "--model", "phash")
    assert "5 added" in said
    assert "3 with one colour only: left out of matches without --show-all" in said
    return path


def _pairs(said: str) -> set[frozenset[str]]:
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {
        frozenset(Path(row[f"{side}_id"]).name for side in ("query", "reference")) for row in found
    }


def test_match_leaves_them_out_and_says_how_many(index: Path) -> None:
    said = run_here("match", index, "-f", "jsonl")
    assert _pairs(said) == {frozenset({"photo.png", "small.jpg"})}
    assert "pairs left out: 3 with a picture of one colour. --show-all shows them." in said


def test_match_shows_them_when_asked(index: Path) -> None:
    said = run_here("match", index, "-f", "jsonl", "--show-all")
    assert len(_pairs(said)) == 4
    assert "left out" not in said


def test_cluster_leaves_them_out(index: Path) -> None:
    said = run_here("cluster", index, "-f", "jsonl")
    assert "white.png" not in said
    assert "3 images left out: 3 of one colour. --show-all shows them." in said
    assert "white.png" in run_here("cluster", index, "-f", "jsonl", "--show-all")


def test_a_query_leaves_them_out_unless_it_is_one_itself(index: Path, folder: Path) -> None:
    said = run_here("query", index, "--url", folder / "photo.png", "-k", "5", "-f", "jsonl")
    assert not any("white.png" in pair for pair in _pairs(said))
    assert "3 pairs left out" in said
    blank = run_here("query", index, "--url", folder / "white.png", "-t", "0.9", "-f", "jsonl")
    assert frozenset({"white.png", "red.jpg"}) in _pairs(blank)


def test_info_counts_them(index: Path) -> None:
    said = run_here("info", index)
    assert "3 pictures of one colour, left out of matches: /" in said
    assert all(name in said for name in BLANKS)
    assert json.loads(run_here("info", index, "--json"))["uniform"] == 3


def test_the_matrix_has_them_all(index: Path, tmp_path: Path) -> None:
    run_here("match", index, "--matrix", tmp_path / "m.npy")
    assert np.load(tmp_path / "m.npy").shape == (5, 5)


def test_the_library_counts_them(index: Path) -> None:
    found = match(index)
    assert len(list(found)) == 1
    assert found.hidden == {"uniform": 3}
    assert len(list(match(index, show_all=True))) == 4


def test_calibrate_leaves_them_out_and_says_how_many(index: Path) -> None:
    said = run_here("calibrate", index, "-f", "jsonl")
    assert _counted(said) == 1
    assert "1 pair scored." in said
    assert "9 pairs left out: 9 with a picture of one colour. --show-all shows them." in said
    assert _counted(run_here("calibrate", index, "-f", "jsonl", "--show-all")) == 10


def test_calibrate_counts_as_many_pairs_at_the_threshold_as_match_finds(index: Path) -> None:
    found = len(_pairs(run_here("match", index, "-f", "jsonl")))
    assert f"{found} match at the current threshold" in run_here("calibrate", index)


def test_pages_of_pairs_to_label_have_none_of_them(index: Path, tmp_path: Path) -> None:
    page = tmp_path / "label.html"
    assert "a page of 1 pair to label" in run_here("calibrate", index, "--label", page)
    assert "photo.png" in page.read_text()
    assert "white.png" not in page.read_text()
    assert "a page of 10 pairs" in run_here("calibrate", index, "--label", page, "--show-all")


def test_answers_about_them_are_left_out_too(index: Path, tmp_path: Path) -> None:
    page, answers = tmp_path / "label.html", tmp_path / "answers.csv"
    run_here("calibrate", index, "--label", page, "--show-all")
    label_pairs(page, answers, lambda *_: True)
    said = run_here("calibrate", index, "--labels", answers)
    assert "1 answer: 1 same, 0 different." in said
    assert "9 answers left out" in said


def test_the_library_calibrates_without_them(index: Path) -> None:
    with Index.open(index) as opened:
        found = opened.calibrate()
        assert (found.counts.total, found.hidden) == (1, {"uniform": 9})
        assert opened.calibrate(show_all=True).counts.total == 10
        assert opened.calibrate(index).counts.total == 4
        assert len(opened) == 5


def test_a_copy_under_another_id_is_marked_without_decoding_it_again(
    index: Path, folder: Path, tmp_path: Path
) -> None:
    again = shutil.copytree(index, tmp_path / "index")
    shutil.copy(folder / "white.png", tmp_path / "blank.png")
    (tmp_path / "list.csv").write_text(f"id,url\nagain,{tmp_path / 'blank.png'}\n")
    run_here("add", again, tmp_path / "list.csv")
    assert rows(again, "SELECT entropy FROM images WHERE id = 'again'") == [(0,)]


def test_images_that_were_not_judged_are_not_left_out(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "v6", tmp_path / "old")
    found = match(path, threshold=0.5)
    assert len(list(found)) > 20
    assert "uniform" not in found.hidden
    with Index.open(path) as old:
        assert old.verify() == []


def test_vectors_from_elsewhere_are_not_left_out(tmp_path: Path) -> None:
    Index.from_vectors(tmp_path / "own", np.ones((3, 4), np.float32), list("abc")).close()
    found = match(tmp_path / "own", threshold=0.9)
    assert len(list(found)) == 3
    assert not found.hidden
