"""Thumbnails: size, colours, orientation, and the same pixels for the model."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from support.pictures import file_of, photograph
from vecsim.decode import DecoderPool, decode_image
from vecsim.protocols import Preparation

SQUARE = Preparation(64, "smooth")


def small(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(decode_image(data, SQUARE, thumbnail_side=160).thumbnail))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    return image


def flat(mode: str, colour: object, size: tuple[int, int] = (640, 400)) -> Image.Image:
    return Image.new(mode, size, colour)


def middle(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)[image.height // 2, image.width // 2]


def test_a_photograph_shrinks_to_a_few_kilobytes() -> None:
    picture = photograph().resize((1200, 800))
    image = small(file_of(picture))
    assert image.size == (160, 107)
    reference = np.asarray(picture.resize((160, 107), Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(image) - reference).mean() < 8
    assert len(decode_image(file_of(picture), SQUARE, thumbnail_side=160).thumbnail) < 8_000


@pytest.mark.parametrize(
    ("picture", "colour"),
    [
        (flat("RGB", (200, 40, 90)), (200, 40, 90)),
        (flat("RGBA", (200, 40, 90, 0)), (255, 255, 255)),
        (flat("RGBA", (255, 0, 0, 128)), (255, 127, 127)),
        (flat("L", 90), (90, 90, 90)),
        (flat("LA", (0, 0)), (255, 255, 255)),
        (flat("RGB", (10, 160, 60)).quantize(8), (10, 160, 60)),
        (flat("1", 1), (255, 255, 255)),
        (flat("I;16", 65535), (255, 255, 255)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_pixel_format_keeps_its_colour(picture: Image.Image, colour: tuple) -> None:
    image = small(file_of(picture, "PNG"))
    assert image.size == (160, 100)
    assert np.abs(middle(image) - colour).max() <= 6


def test_thumbnails_are_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = io.BytesIO()
    flat("RGB", "navy").save(data, "JPEG", exif=exif)
    assert small(data.getvalue()).size == (100, 160)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (1, 1)), ((50, 20), (50, 20)), ((4000, 2), (160, 1)), ((3, 900), (1, 160))],
)
def test_sizes_of_thumbnails(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert small(file_of(flat("RGB", "teal", size), "PNG")).size == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16"])
@pytest.mark.parametrize("resample", ["nearest", "smooth", "lanczos"])
def test_making_a_thumbnail_does_not_change_the_pixels(mode: str, resample: str) -> None:
    gray = photograph().convert("L")
    picture = photograph().convert(mode) if mode != "I;16" else gray.convert("I").convert("I;16")
    data = file_of(picture, "PNG")
    one, two = (
        decode_image(data, Preparation(64, resample), thumbnail_side=side) for side in (160, 0)
    )
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert one.thumbnail and not two.thumbnail


def test_decoder_processes_transfer_thumbnails() -> None:
    data = file_of(photograph())
    with DecoderPool(1, SQUARE, thumbnails=True) as pool, DecoderPool(1, SQUARE) as plain:
        here = decode_image(data, SQUARE, thumbnail_side=160)
        assert pool.submit(data).result().thumbnail == here.thumbnail
        assert pool.submit(data, thumbnail=False).result().thumbnail == b""
        assert plain.submit(data).result().thumbnail == b""
