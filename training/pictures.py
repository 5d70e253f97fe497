"""Decode a picture as vecsim does, and squash it to a square."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

ImageFile.LOAD_TRUNCATED_IMAGES = True


def open_upright(data: bytes, draft: int | None = None) -> Image.Image:
    """Decode `data`: first frame, upright by its EXIF orientation, transparency on white, RGB."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (draft, draft))
    image = ImageOps.exif_transpose(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def squash(image: Image.Image, size: int, *, smooth: bool = True) -> NDArray[np.uint8]:
    """The whole picture as [size, size, 3], antialiased (smooth) or by nearest neighbour."""
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(image.resize((size, size), method, reducing_gap=None))
