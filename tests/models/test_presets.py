"""Presets of model files against the steps that the authors of the models publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vecsim.decode import DecodeLimits, decode_image
from vecsim.models.file_settings import PRESETS, read_settings

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "images" / "3.jpg"


@dataclass(frozen=True)
class Published:
    """What the authors of a model publish: how a picture is resized, cropped and scaled.

    `resized`: pixels of the shorter side, or of both where `cropped` is None. `mean`, `deviation`:
    of levels from 0 to 1.
    """

    resized: int
    cropped: int | None
    resample: Image.Resampling
    mean: Sequence[float]
    deviation: Sequence[float]


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
LEVELS = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
PUBLISHED = {
    # `skew_320` in the README of facebookresearch/sscd-copy-detection.
    "sscd": Published(320, None, BILINEAR, *IMAGENET),
    # preprocessor_config.json of openai/clip-vit-base-patch32 and of facebook/dinov2-base.
    "clip": Published(224, 224, BICUBIC, *CLIP),
    "dinov2": Published(256, 224, BICUBIC, *IMAGENET),
    # ResNet50_Weights.IMAGENET1K_V1.
    "torchvision": Published(256, 224, BILINEAR, *IMAGENET),
    # `preprocess_input` of keras.applications; the last two networks scale pixels themselves.
    "mobilenet": Published(224, None, BILINEAR, *HALVES),
    "mobilenet-v3": Published(224, None, BILINEAR, *LEVELS),
    "efficientnet": Published(224, None, BILINEAR, *LEVELS),
}


def test_every_preset_has_published_steps() -> None:
    assert PRESETS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("preset", PUBLISHED)
def test_presets_prepare_pictures_as_is_published(preset: str, tmp_path: Path) -> None:
    published = PUBLISHED[preset]
    picture = Image.open(PICTURE).convert("RGB")
    assert picture.width != picture.height
    if published.cropped is None:
        expected = picture.resize((published.resized,) * 2, published.resample)
    else:
        factor = published.resized / min(picture.size)
        sides = [round(side * factor) for side in picture.size]
        left, top = ((side - published.cropped) // 2 for side in sides)
        expected = picture.resize((sides[0], sides[1]), published.resample)
        expected = expected.crop((left, top, left + published.cropped, top + published.cropped))
    levels = (np.asarray(expected) / 255 - published.mean) / published.deviation

    settings = read_settings(tmp_path / "m.onnx", {"preset": preset, "layout": "nhwc"})
    pixels = decode_image(PICTURE.read_bytes(), settings.preparation, DecodeLimits()).pixels
    scaled = settings.scale(pixels[None])[0]
    assert scaled.shape == levels.shape
    assert settings.resize == ("bicubic" if published.resample is BICUBIC else "smooth")
    # In levels of 255: JPEGs decoded at half scale and crops by half a pixel differ by 1 to 4, a
    # crop to 0.9 instead of 0.875 by 11.
    apart = np.abs(scaled - levels) * published.deviation * 255
    assert apart.mean() < 5
