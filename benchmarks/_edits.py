"""Edits as real copies of pictures have them, each at fixed strengths.

The functions return an `Edit`, or are one: they take an RGB picture and a random generator.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

SAVED_QUALITY = 92  # JPEG quality of all edited copies; "jpeg N" was saved at N before

Edit = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(quality: int) -> Edit:
    """Recompress as a JPEG."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return apply


def reduce(factor: float) -> Edit:
    """Reduce width and height by `factor`."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        size = (max(8, round(image.width / factor)), max(8, round(image.height / factor)))
        return image.resize(size, Image.Resampling.BICUBIC)

    return apply


def stretch(factor: float) -> Edit:
    """Multiply the width by `factor`."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.resize((round(image.width * factor), image.height), Image.Resampling.BICUBIC)

    return apply


def crop(share: float) -> Edit:
    """Cut away `share` of width and of height, at a random place."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        width, height = image.width * (1 - share), image.height * (1 - share)
        left = random.random() * (image.width - width)
        top = random.random() * (image.height - height)
        return image.crop((int(left), int(top), int(left + width), int(top + height)))

    return apply


def border(share: float) -> Edit:
    """Add a border of `share` of the longer side, white, black or red."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        colour = ("white", "black", "#c03020")[int(random.integers(3))]
        return ImageOps.expand(image, round(share * max(image.size)), colour)

    return apply


def pad_square(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Add white to make a square."""
    side = max(image.size)
    return ImageOps.pad(image, (side, side), color="white")


def rotate(degrees: float) -> Edit:
    """Rotate to the left or right, with black corners."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        angle = degrees if random.random() < 0.5 else -degrees
        return image.rotate(angle, Image.Resampling.BICUBIC, expand=True)

    return apply


def text(share: float) -> Edit:
    """Write a line of text of `share` of the height, at a random height."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        image = image.copy()
        font = ImageFont.load_default(size=max(8, round(share * image.height)))
        at = (image.width * 0.05, random.random() * image.height * (1 - share))
        drawn = ImageDraw.Draw(image)
        drawn.text(at, "sample text 2026", "white", font, stroke_width=2, stroke_fill="black")
        return image

    return apply


def logo(share: float) -> Edit:
    """Put a blue disc on a white square of `share` of the shorter side into a corner."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        image = image.copy()
        side = round(share * min(image.size))
        left = 4 if random.random() < 0.5 else image.width - side - 4
        top = 4 if random.random() < 0.5 else image.height - side - 4
        drawn = ImageDraw.Draw(image)
        drawn.rectangle((left, top, left + side, top + side), "white")
        drawn.ellipse((left + 3, top + 3, left + side - 3, top + side - 3), "#1040b0")
        return image

    return apply


def watermark(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Write four half-transparent words over the picture."""
    layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
    drawn = ImageDraw.Draw(layer)
    font = ImageFont.load_default(size=max(8, image.height // 10))
    for row in range(4):
        at = (image.width * (0.05 + 0.2 * (row % 2)), image.height * (0.05 + 0.25 * row))
        drawn.text(at, "watermark", (255, 255, 255, 110), font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def blur(radius: float) -> Edit:
    """Blur by a Gaussian; `radius` is for a picture of 500 pixels."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(radius * max(image.size) / 500))

    return apply


def enhance(kind: type[ImageEnhance._Enhance], factor: float) -> Edit:
    """Change brightness, contrast or saturation."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return kind(image).enhance(factor)

    return apply


def grayscale(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Remove the colours."""
    return image.convert("L").convert("RGB")


EDITS: dict[str, Edit] = {
    "jpeg 70": jpeg(70),
    "jpeg 30": jpeg(30),
    "jpeg 10": jpeg(10),
    "reduce 2": reduce(2),
    "reduce 4": reduce(4),
    "stretch 0.7": stretch(0.7),
    "crop 5 %": crop(0.05),
    "crop 10 %": crop(0.10),
    "crop 20 %": crop(0.20),
    "crop 30 %": crop(0.30),
    "border 5 %": border(0.05),
    "border 15 %": border(0.15),
    "pad to square": pad_square,
    "rotate 2": rotate(2),
    "rotate 5": rotate(5),
    "rotate 10": rotate(10),
    "text 8 %": text(0.08),
    "text 16 %": text(0.16),
    "logo 15 %": logo(0.15),
    "logo 30 %": logo(0.30),
    "watermark": watermark,
    "blur 2": blur(2),
    "blur 4": blur(4),
    "brightness 0.6": enhance(ImageEnhance.Brightness, 0.6),
    "brightness 1.5": enhance(ImageEnhance.Brightness, 1.5),
    "contrast 0.6": enhance(ImageEnhance.Contrast, 0.6),
    "saturation 0.4": enhance(ImageEnhance.Color, 0.4),
    "grayscale": grayscale,
}


def edited_copies(original: Image.Image, random: np.random.Generator) -> dict[str, bytes]:
    """Return JPEG files of all edited copies of an RGB picture, by the names of EDITS."""
    copies: dict[str, bytes] = {}
    for name, edit in EDITS.items():
        buffer = io.BytesIO()
        edit(original, random).save(buffer, "JPEG", quality=SAVED_QUALITY)
        copies[name] = buffer.getvalue()
    return copies
