"""Real files embed as a person sees them: modes, formats, orientation, transparency, frames."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from support.models import unit
from vecsim.decode import DecodeLimits
from vecsim.decode.image import decode_image
from vecsim.models import load_embedder
from vecsim.protocols import Embedder
from vecsim.records import Float32

ALIKE = 0.95
GREY = ("1.png", "F.webp", "I.webp", "L.png", "LA.png")
COLOURED = (
    *("CMYK.jpg", "HSV.webp", "LAB.webp", "P.png", "PA.webp"),
    *("RGB.jpg", "RGBA.png", "YCbCr.jpg"),
)


@pytest.fixture(scope="module")
def bundled() -> Embedder:
    """The model that needs no download."""
    return load_embedder("bundled", device="cpu")


def embedded(model: Embedder, picture: bytes | Image.Image) -> Float32:
    """Return the unit vector of a file, or of a picture saved without loss."""
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        picture = buffer.getvalue()
    pixels = decode_image(picture, model.preparation, DecodeLimits()).pixels
    vector: Float32 = unit(model.embed(pixels[None]))[0]
    return vector


@pytest.mark.parametrize("name", COLOURED)
def test_colour_modes_embed_like_the_original(bundled: Embedder, shared: Path, name: str) -> None:
    folder = shared / "near-duplicates" / "pdq" / "modes"
    original = embedded(bundled, (folder / "original.jpg").read_bytes())
    assert embedded(bundled, (folder / name).read_bytes()) @ original >= ALIKE


@pytest.mark.parametrize("name", GREY)
def test_grey_modes_embed_like_the_original_in_grey(
    bundled: Embedder, shared: Path, name: str
) -> None:
    folder = shared / "near-duplicates" / "pdq" / "modes"
    grey = Image.open(folder / "original.jpg").convert("L")
    assert embedded(bundled, (folder / name).read_bytes()) @ embedded(bundled, grey) >= ALIKE


@pytest.mark.parametrize("number", [3, 6, 8])
def test_exif_orientation_is_applied_before_embedding(
    bundled: Embedder, shared: Path, number: int
) -> None:
    path = shared / "near-duplicates" / "pdq" / "exif-rotn" / f"exif-rotn-{number}.jpg"
    stored = Image.open(path)
    vector = embedded(bundled, path.read_bytes())
    assert vector @ embedded(bundled, ImageOps.exif_transpose(stored).reduce(4)) >= ALIKE
    assert vector @ embedded(bundled, stored.convert("RGB").reduce(4)) < ALIKE


@pytest.mark.parametrize("ending", ["bmp", "jpeg", "png", "webp"])
def test_formats_embed_like_the_original(bundled: Embedder, shared: Path, ending: str) -> None:
    folder = shared / "near-duplicates" / "imagededup"
    original = embedded(bundled, (folder / "base_images" / "ukbench09380.jpg").read_bytes())
    copy = (folder / "formats_images" / f"ukbench09380.{ending}").read_bytes()
    assert embedded(bundled, copy) @ original >= ALIKE


def test_transparency_is_laid_on_white_before_embedding(bundled: Embedder, shared: Path) -> None:
    file = (shared / "near-duplicates" / "imagededup" / "alpha_channel_image.png").read_bytes()
    picture = Image.open(io.BytesIO(file)).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    assert embedded(bundled, file) @ embedded(bundled, white.convert("RGB")) >= ALIKE


def test_first_frames_and_sixteen_bits_embed_like_the_original(
    bundled: Embedder, shared: Path
) -> None:
    folder = shared / "near-duplicates" / "imagededup" / "base_images"
    first, second = (Image.open(folder / f"ukbench0{n}.jpg") for n in ("9380", "1380"))
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert embedded(bundled, buffer.getvalue()) @ embedded(bundled, first) >= ALIKE
    grey = first.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert embedded(bundled, deep) @ embedded(bundled, grey) >= ALIKE
