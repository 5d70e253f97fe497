"""Files made of pictures in memory: decoded, they are what a PNG of the same pixels is."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from vecsim.decode import decode_image, file_of_picture, file_of_pixels
from vecsim.errors import ImageError
from vecsim.protocols import Preparation

PREPARATIONS = [
    Preparation(32, "smooth", colours="srgb", ground="contrast"),
    Preparation(32, "lanczos", mode="L"),
    Preparation(24, "nearest"),
]


def picture(mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((80, 90), Image.Resampling.BICUBIC).convert(mode)


def png(image: Image.Image, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **how)
    return file.getvalue()


def assert_same(image: Image.Image, file: bytes) -> None:
    made = file_of_picture(image)
    for preparation in PREPARATIONS:
        one, other = (decode_image(data, preparation) for data in (made, file))
        assert (one.pixels == other.pixels).all()
        assert (one.width, one.height, one.entropy) == (other.width, other.height, other.entropy)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_picture_of_a_mode_of_png_is_as_in_its_file(mode: str) -> None:
    image = picture(mode)

    assert_same(image, png(image))


@pytest.mark.parametrize(
    ("mode", "stored"),
    [
        *(("CMYK", "RGB"), ("YCbCr", "RGB"), ("RGBX", "RGB"), ("F", "L")),
        *(("RGBa", "RGBA"), ("La", "LA")),
    ],
)
def test_a_picture_of_another_mode_is_converted(mode: str, stored: str) -> None:
    image = picture(stored).convert(mode)

    assert_same(image, png(image.convert(stored)))


def test_grey_of_sixteen_bits_is_as_in_its_file() -> None:
    samples = np.asarray(picture("L")).astype(np.uint16) * 257
    for image in (Image.fromarray(samples), Image.fromarray(samples.astype(np.int32))):
        assert image.mode in ("I;16", "I")
        assert_same(image, png(Image.fromarray(samples)))


def test_lab_is_converted_as_in_a_file() -> None:
    image = Image.merge("LAB", [picture("L", seed) for seed in range(3)])
    file = io.BytesIO()
    image.save(file, "TIFF")

    assert_same(image, file.getvalue())


def test_transparency_orientation_and_profile_count_as_in_a_file() -> None:
    palette = picture().convert("P")
    palette.info["transparency"] = 3
    assert_same(palette, png(palette, transparency=3))
    turned = picture()
    turned.getexif()[0x0112] = 6
    assert_same(turned, png(ImageOps.exif_transpose(turned)))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    profiled = picture()
    profiled.info["icc_profile"] = profile
    assert_same(profiled, png(profiled, icc_profile=profile))
    with Image.open(io.BytesIO(file_of_picture(profiled))) as read:
        assert read.info["icc_profile"] == profile


def test_the_bytes_are_the_same_for_ever() -> None:
    pixels = (np.arange(300 * 90 * 3) % 251).astype(np.uint8).reshape(300, 90, 3)

    file = file_of_pixels(pixels)

    assert hashlib.sha256(file).hexdigest() == (
        "d0404b70991a79e4f79c8a6043d12006e763d4b8cbe3333e2e53a81fe9510f0e"
    )
    with Image.open(io.BytesIO(file)) as read:
        assert (np.asarray(read) == pixels).all()


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0)])
def test_a_picture_without_pixels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="pixels"):
        file_of_pixels(np.zeros(shape, np.uint8))


def test_a_damaged_file_that_is_read_only_now_is_refused() -> None:
    with Image.open(io.BytesIO(png(picture())[:-200])) as cut, pytest.raises(ImageError):
        file_of_picture(cut)
