"""Preparations; their texts are in the fingerprints of existing indexes and must not change."""

from __future__ import annotations

import pytest

from vecsim.models.registry import find_spec
from vecsim.protocols import Preparation


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("mobilenet", "nearest-224-v1"),
        ("mobilenet-smooth", "smooth-224-v2"),
        ("mobilenet-0.25-128", "nearest-128-v1"),
        ("bundled", "smooth-160-v2"),
        ("phash", "smooth-128-L-v2"),
        ("pdq", "smooth-64-v2"),
    ],
)
def test_texts_of_the_models(model: str, text: str) -> None:
    assert find_spec(model).fingerprint().preprocessing == text


def test_preparations_with_one_text_are_the_same() -> None:
    every = [
        Preparation(size, resample, mode)
        for size in (32, 224)
        for resample in ("nearest", "smooth", "lanczos")
        for mode in ("RGB", "L")
    ]
    assert len({preparation.text for preparation in every}) == len(every)


def test_shapes_of_prepared_pictures() -> None:
    assert Preparation(5, "smooth").shape == (5, 5, 3)
    assert Preparation(5, "smooth", "L").shape == (5, 5)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((0, "smooth", "RGB"), "size must be at least 1"),
        ((224, "bicubic", "RGB"), "resample must be one of nearest, smooth, lanczos"),
        ((224, "smooth", "CMYK"), "mode must be one of RGB, L"),
    ],
)
def test_unknown_preparations_are_refused(wrong: tuple[int, str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Preparation(*wrong)
