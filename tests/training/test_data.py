"""Tests of training/ that need neither PyTorch nor downloaded pictures."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_no_set_is_both_trained_on_and_held_out() -> None:
    from sources import load_sets

    held = {(entry.repository, entry.keep) for entry in load_sets("held")}
    trained = {(entry.repository, entry.keep) for entry in load_sets("train")}
    assert held and trained and not held & trained
    shared = {repository for repository, _ in held} & {repository for repository, _ in trained}
    assert shared == {"PerceptiLabs/movie_genre"}, "only the posters are split by number"
    posters = [e for e in load_sets("held") + load_sets("train") if e.repository in shared]
    for number in ("110912", "1234567", "2000000", "9999999"):
        assert sum(bool(re.search(e.keep, f"posters/{number}.jpg")) for e in posters) == 1


def test_part_file_gives_back_its_pictures(tmp_path: Path) -> None:
    from pictures import decode_square, pack, read_part

    images = [Image.new("RGB", (300, 200), colour) for colour in ("red", "navy")]
    path = tmp_path / "00.part"
    path.write_bytes(b"".join(pack(image, 192, 80) for image in images))
    records = list(read_part(path))
    assert [aspect for aspect, _ in records] == [1.5, 1.5]
    for image, (_, data) in zip(images, records, strict=True):
        pixels = decode_square(data)
        assert pixels.shape == (192, 192, 3)
        assert np.abs(pixels.mean((0, 1)) - np.asarray(image)[0, 0]).max() < 6


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    from pictures import open_upright

    path = tmp_path / "clear.png"
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(path)
    assert open_upright(path.read_bytes()).getpixel((4, 4)) == (255, 255, 255)


def test_learning_rate_rises_then_falls() -> None:
    from schedule import WARM_UP, learning_rate

    assert learning_rate(1.0, 0, 0.0) == pytest.approx(1 / WARM_UP)
    assert learning_rate(1.0, WARM_UP, 0.0) == pytest.approx(1.0)
    rates = [learning_rate(1.0, 1000, progress) for progress in (0.1, 0.5, 0.9, 1.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_deadline_file_replaces_the_seconds(tmp_path: Path) -> None:
    from schedule import Schedule

    schedule = Schedule(tmp_path, 1000.0, None, spent=50.0, started=0.0)
    assert schedule.progress(0) > 1
    (tmp_path / "deadline").write_text("1e18")
    assert schedule.progress(0) < 0.5
    assert Schedule(tmp_path, 1.0, 40).progress(10) == 0.25
