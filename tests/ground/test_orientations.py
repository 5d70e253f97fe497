"""Orientations: the pixels of each, their names, inverses and settings."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vecsim.errors import UsageError
from vecsim.orientations import NAMES, SETTINGS, codes_of, covering, inverse, oriented

TRANSPOSE = Image.Transpose
# Pillow turns counterclockwise. A mirrored picture is mirrored first, then turned.
PILLOW = {
    "0": [],
    "90": [TRANSPOSE.ROTATE_270],
    "180": [TRANSPOSE.ROTATE_180],
    "270": [TRANSPOSE.ROTATE_90],
    "mirror": [TRANSPOSE.FLIP_LEFT_RIGHT],
    "mirror+90": [TRANSPOSE.FLIP_LEFT_RIGHT, TRANSPOSE.ROTATE_270],
    "mirror+180": [TRANSPOSE.FLIP_LEFT_RIGHT, TRANSPOSE.ROTATE_180],
    "mirror+270": [TRANSPOSE.FLIP_LEFT_RIGHT, TRANSPOSE.ROTATE_90],
}


@pytest.mark.parametrize("shape", [(5, 5, 3), (6, 6)])
@pytest.mark.parametrize("code", range(8))
def test_the_pixels_are_those_of_pillow(code: int, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    image = Image.fromarray(pixels)
    for step in PILLOW[NAMES[code]]:
        image = image.transpose(step)
    assert np.array_equal(oriented(pixels, code), np.asarray(image))


@pytest.mark.parametrize("code", range(8))
def test_the_inverse_gives_the_picture_back(code: int) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(oriented(oriented(pixels, code), inverse(code)), pixels)


PARTS = [
    (place, share)
    for share in (77, 62)
    for place in ("centre", "top-left", "top-right", "bottom-left", "bottom-right")
]


@pytest.mark.parametrize("shape", [(100, 100, 3), (100, 100)])
@pytest.mark.parametrize(("number", "part"), list(enumerate(PARTS)))
def test_parts_are_enlarged_by_pillow(
    number: int, part: tuple[str, int], shape: tuple[int, ...]
) -> None:
    place, share = part
    assert NAMES[8 + number] == f"{place}-{share}"
    left = round((100 - share) / 2) if place == "centre" else (100 - share) * ("right" in place)
    top = round((100 - share) / 2) if place == "centre" else (100 - share) * ("bottom" in place)
    pixels = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    cut = Image.fromarray(pixels).crop((left, top, left + share, top + share))
    expected = cut.resize((100, 100), Image.Resampling.BILINEAR)
    assert np.array_equal(oriented(pixels, 8 + number), np.asarray(expected))


@pytest.mark.parametrize("size", [1, 2, 3, 32, 160])
@pytest.mark.parametrize("code", SETTINGS["parts"])
def test_every_form_has_the_size_of_the_picture(code: int, size: int) -> None:
    assert oriented(np.zeros((size, size, 3), np.uint8), code).shape == (size, size, 3)


def test_the_inverse_of_a_part_says_that_the_query_is_within_it() -> None:
    for code in range(8, 18):
        assert NAMES[inverse(code)] == f"in-{NAMES[code]}"
        assert inverse(inverse(code)) == code


def test_settings_have_1_2_4_8_and_18_forms_and_contain_the_inverse_of_each_orientation() -> None:
    assert [len(set(codes)) for codes in SETTINGS.values()] == [1, 2, 4, 8, 18]
    for codes in SETTINGS.values():
        assert codes[0] == 0
        turned = {code for code in codes if code < 8}
        assert {inverse(code) for code in turned} == turned


def test_the_setting_that_covers_two_others() -> None:
    assert covering(()) == "none"
    assert covering((1,)) == "turns"
    assert covering((*SETTINGS["mirror"], *SETTINGS["turns"])) == "all"
    assert [covering(codes) for codes in SETTINGS.values()] == list(SETTINGS)


def test_an_unknown_setting_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="none, mirror, turns, all, parts"):
        codes_of("turned")
