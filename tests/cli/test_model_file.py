"""`--model FILE`: a model in a file, with its settings as options."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.models import ROOT
from vecsim import Index

PICTURES = ROOT / "demo" / "images"


@pytest.fixture
def file() -> Path:
    """The file of the bundled model under another name: its vectors are known."""
    return Path(shutil.copy(ROOT / "vecsim" / "models" / "data" / "bundled-3.tflite", "own.tflite"))


@pytest.mark.ci
def test_a_file_gives_the_vectors_of_the_model_in_it(vecsim, file: Path) -> None:
    bundled_as = ("scaling=-1..1", "colours=srgb", "ground=contrast", "margins=trimmed")
    settings = (f"--model-setting={each}" for each in (*bundled_as, "threshold=0.9"))
    ran = vecsim("build-index", "own", PICTURES, "--model", file, *settings)
    assert ran.status == 0, ran.err
    vecsim("build-index", "bundled", PICTURES, "--model", "bundled")
    info = vecsim("info", "own").out
    assert (
        "tflite (256 dimensions, smooth-160-srgb-contrast-trimmed-v2,-1..1,rgb,nhwc, weights"
        in info
    )
    assert "threshold: 0.9 (set for the index)" in info
    own, bundled = vecsim("match", "own"), vecsim("match", "bundled", "--threshold", "0.9")
    assert own.pairs == bundled.pairs
    assert len(own.pairs) == 4
    shutil.copytree(PICTURES, "more")
    assert len(vecsim("match", "own", "more").pairs) > 6
    assert vecsim("query", "own", "--url", PICTURES / "1.jpg", "-k", "1").status == 0


def test_the_same_command_again_continues_and_another_file_is_refused(vecsim, file: Path) -> None:
    setting = ("--model-setting", "scaling=-1..1")
    vecsim("build-index", "own", PICTURES, "--model", file, *setting)
    ran = vecsim("build-index", "own", PICTURES, "--model", file, *setting)
    assert "6 already known" in ran.err
    other = Path("other.tflite")
    other.write_bytes(file.read_bytes() + b"x")
    ran = vecsim("build-index", "own", PICTURES, "--model", other, *setting)
    assert ran.status == 1
    assert "other.tflite was asked for" in ran.err
    with Index.open("own") as index:
        assert len(index) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "scaling is one of 0..255, 0..1, -1..1, imagenet, clip, or mean and deviation"),
        (("--model-setting", "scaling"), "write NAME=VALUE"),
        (("--model-setting", "scaling=x"), "scaling='x': choose one of"),
        (("--weights", "w.h5"), "holds its weights"),
    ],
)
def test_invalid_settings_are_refused(vecsim, file: Path, options, message: str) -> None:
    ran = vecsim("build-index", "own", PICTURES, "--model", file, *options)
    assert ran.status == 2
    assert message in ran.err
    assert not Path("own").exists()


def test_settings_are_for_files_only(vecsim) -> None:
    ran = vecsim("match", PICTURES, "--model", "phash", "--model-setting", "size=64")
    assert ran.status == 2
    assert "settings are for model files" in ran.err
