"""Preparations; their texts are in the fingerprints of existing indexes and must not change."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.pictures import file_of, photograph
from vecsim.decode.image import decode_image
from vecsim.models.registry import find_spec
from vecsim.protocols import Preparation


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("mobilenet", "nearest-224-v1"),
        ("mobilenet-smooth", "smooth-224-v2"),
        ("mobilenet-0.25-128", "nearest-128-v1"),
        ("bundled", "smooth-160-srgb-contrast-trimmed-v2"),
        ("phash", "smooth-128-L-v3"),
        ("pdq", "smooth-64-v2"),
    ],
)
def test_texts_of_the_models(model: str, text: str) -> None:
    assert find_spec(model).fingerprint().preprocessing == text


def test_preparations_with_one_text_are_the_same() -> None:
    every = [
        Preparation(size, resample, mode)
        for size in (32, 224)
        for resample in ("nearest", "smooth", "lanczos", "bicubic")
        for mode in ("RGB", "L")
    ]
    every += [Preparation(224, "smooth", crop=crop) for crop in (0.5, 0.875, 1.0)]
    assert len({preparation.text for preparation in every}) == len(every)


def test_shapes_of_prepared_pictures() -> None:
    assert Preparation(5, "smooth").shape == (5, 5, 3)
    assert Preparation(5, "smooth", "L").shape == (5, 5)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((0, "smooth", "RGB"), "size must be at least 1"),
        ((224, "cubic", "RGB"), "resample must be one of nearest, smooth, lanczos, bicubic"),
        ((224, "smooth", "CMYK"), "mode must be one of RGB, L"),
    ],
)
def test_unknown_preparations_are_refused(wrong: tuple[int, str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Preparation(*wrong)


def test_a_crop_is_a_share_of_the_shorter_side() -> None:
    with pytest.raises(ValueError, match="crop must be from 0 to 1"):
        Preparation(224, "smooth", crop=1.5)
    assert Preparation(224, "bicubic", crop=0.875).text == "bicubic-224-crop0.875-v1"


@pytest.mark.parametrize("resample", ["nearest", "smooth", "bicubic", "lanczos"])
def test_the_square_in_the_middle_is_taken(resample: str) -> None:
    picture = photograph(900, 600)
    data = file_of(picture, "JPEG", quality=95)
    found = decode_image(data, Preparation(56, resample, "RGB", crop=0.875)).pixels
    middle = picture.resize((56, 56), Image.Resampling.BOX, box=(187, 37, 712, 562))
    whole = decode_image(data, Preparation(56, resample, "RGB")).pixels
    off = [np.abs(pixels.astype(int) - middle).mean() for pixels in (found, whole)]
    assert off[0] < (25 if resample == "nearest" else 5) < off[1]
