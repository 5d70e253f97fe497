"""Decode a picture as vecsim does, squash it to a square, and pack squares into part files."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

ImageFile.LOAD_TRUNCATED_IMAGES = True
Image.MAX_IMAGE_PIXELS = 40_000_000

HEADER = struct.Struct("<If")  # bytes of the WebP file, width / height of the original


def open_upright(data: bytes, draft: int | None = None) -> Image.Image:
    """Decode `data`: first frame, upright by its EXIF orientation, transparency on white, RGB.

    `draft` lets a JPEG be decoded at a reduced scale, no side below `draft` pixels.
    """
    image: Image.Image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (draft, draft))
    image = ImageOps.exif_transpose(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def squash(image: Image.Image, size: int) -> Image.Image:
    """Resize the whole picture to size x size, antialiased."""
    return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)


def pack(image: Image.Image, size: int, quality: int) -> bytes:
    """One record of a part file: header and WebP file of the squashed picture."""
    buffer = io.BytesIO()
    squash(image, size).save(buffer, "WEBP", quality=quality, method=2)
    data = buffer.getvalue()
    return HEADER.pack(len(data), image.width / image.height) + data


def read_part(path: Path) -> Iterator[tuple[float, bytes]]:
    """Yield (width / height, WebP file) of each record of a part file."""
    raw = path.read_bytes()
    at = 0
    while at < len(raw):
        length, aspect = HEADER.unpack_from(raw, at)
        at += HEADER.size
        yield aspect, raw[at : at + length]
        at += length


def decode_square(data: bytes) -> NDArray[np.uint8]:
    """Pixels of a record's WebP file: uint8 [side, side, 3]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
