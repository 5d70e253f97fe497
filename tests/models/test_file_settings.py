"""Settings of models in files: options, the JSON file beside, presets, fingerprints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vecsim.errors import InputError, ModelError, UsageError
from vecsim.models.file_settings import (
    PRESETS,
    FileSettings,
    fitted,
    read_settings,
    settings_of_fingerprint,
)
from vecsim.records import Fingerprint

SETTINGS = FileSettings(scaling="imagenet")


def test_settings_are_read_again_from_a_fingerprint() -> None:
    settings = FileSettings(
        96,
        "lanczos",
        "clip",
        "bgr",
        "nchw",
        "pooled",
        colours="srgb",
        ground="contrast",
        margins="trimmed",
        crop=0.875,
        batch=8,
    )
    fingerprint = Fingerprint("onnx", "a" * 64, settings.text, 8)
    assert settings_of_fingerprint(fingerprint) == settings
    assert settings_of_fingerprint(Fingerprint("mobilenet", "", "nearest-224-v1", 1024)) is None
    with pytest.raises(ModelError):
        settings_of_fingerprint(Fingerprint("onnx", "", "smooth-96-v1,clip,rgb,nchw", 8))


def test_options_come_before_the_file_beside_and_that_before_the_preset(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    (tmp_path / "m.onnx.json").write_text(
        json.dumps({"preset": "sscd", "size": 320, "threshold": 0.7})
    )
    found = read_settings(model, {"threshold": "0.75"})
    assert (found.size, found.scaling, found.threshold) == (320, "imagenet", 0.75)
    (tmp_path / "m.onnx.json").write_text("[")
    with pytest.raises(InputError, match=r"m\.onnx\.json"):
        read_settings(model, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "scaling is one of"),
        ({"preset": "x"}, "preset='x'"),
        ({"scaling": "clip", "siz": "3"}, "'siz' is no setting"),
        ({"scaling": "clip", "size": "x"}, "size='x': must be a number"),
        ({"scaling": "clip", "size": "0"}, "from 1 to 4096"),
        ({"scaling": "clip", "layout": "chw"}, "layout='chw'"),
        ({"scaling": "clip", "threshold": "2"}, "from -1 to 1"),
        ({"scaling": "clip", "mean": "0.5"}, "say the same"),
        ({"mean": "x"}, "mean='x': must be one number or three"),
        ({"mean": "0,0"}, "one number or three each"),
        ({"deviation": "0"}, "the deviation above 0"),
        ({"deviation": "nan"}, "the deviation above 0"),
        ({"scaling": "mean 1"}, "choose one of"),
        ({"scaling": "clip", "crop": "2"}, "from 0 to 1"),
        ({"scaling": "clip", "crop": "0.00001"}, "at most four decimals"),
        ({"scaling": "clip", "batch": "0"}, "from 1 to 1024 pictures"),
    ],
)
def test_invalid_settings_are_refused(
    options: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        read_settings(tmp_path / "m.onnx", options)


def test_every_preset_is_complete_and_fits_its_layouts() -> None:
    for values in PRESETS.values():
        settings = FileSettings(**values)  # type: ignore[arg-type]
        assert fitted(settings, (None, 3, None, None), "m").layout == "nchw"
        assert fitted(settings, (None, None, None, 3), "m").layout == "nhwc"
    with pytest.raises(UsageError, match="set the size"):
        fitted(SETTINGS, (1, 3, None, None), "m")
    with pytest.raises(ModelError, match="not squares of 32"):
        fitted(FileSettings(32, scaling="clip"), (1, 3, 64, 64), "m")
    with pytest.raises(ModelError, match="no batch of RGB"):
        fitted(SETTINGS, (1, 10), "m")


def test_own_mean_and_deviation_are_those_of_the_preset_that_has_them(tmp_path: Path) -> None:
    mean, deviation = [0.485, 0.456, 0.406], "0.229,0.224,0.225"
    (tmp_path / "m.onnx.json").write_text(json.dumps({"mean": mean, "size": 64}))
    found = read_settings(tmp_path / "m.onnx", {"deviation": deviation})
    assert found.scaling == "mean 0.485 0.456 0.406 deviation 0.229 0.224 0.225"
    some = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), np.uint8)
    assert np.array_equal(found.scale(some), SETTINGS.scale(some))
    halves = read_settings(tmp_path / "n.onnx", {"mean": "0.5", "deviation": "0.5"})
    assert np.array_equal(halves.scale(some), FileSettings(scaling="-1..1").scale(some))
