"""Masks and pages that the edits lay over or under a picture, drawn once with Pillow."""

import functools
import random
import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LETTERS = string.ascii_letters + string.digits + "%&.-   "
Masks = NDArray[np.uint8]


def words(draw: random.Random, least: int, most: int) -> str:
    """A random text of `least` to `most` characters."""
    return "".join(draw.choice(LETTERS) for _ in range(draw.randint(least, most)))


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font in this size."""
    return ImageFont.load_default(size=size)


def draw_text(pens: list[ImageDraw.ImageDraw], side: int, draw: random.Random) -> None:
    """One to four lines of text; the second pen draws their outline."""
    for _ in range(draw.randint(1, 4)):
        at = (draw.randint(-10, side // 2), draw.randint(-4, side - 8))
        text, size = words(draw, 4, 20), draw.choice([8, 10, 12, 14, 18, 24, 32, 44])
        pens[0].text(at, text, 255, font(size))
        pens[1].text(at, text, 255, font(size), stroke_width=draw.choice([0, 1, 2]))


def draw_watermark(pens: list[ImageDraw.ImageDraw], side: int, draw: random.Random) -> None:
    """The same text several times over the whole picture."""
    text, size = words(draw, 4, 9), draw.choice([10, 14, 18])
    step_x, step_y = draw.choice([50, 70, 90]), draw.choice([25, 35, 45])
    for row in range(side // step_y + 1):
        for column in range(-1, side // step_x + 1):
            at = (column * step_x + row % 2 * step_x // 2, row * step_y)
            for pen in pens:
                pen.text(at, text, 255, font(size))


def draw_shape(pens: list[ImageDraw.ImageDraw], side: int, draw: random.Random) -> None:
    """A logo: a disc or polygon (first pen) on a plate (second pen), or a band."""
    width, height = draw.randint(12, side // 2), draw.randint(10, side // 2)
    left = draw.choice([2, side - width - 2, draw.randint(0, side - width)])
    top = draw.choice([2, side - height - 2, draw.randint(0, side - height)])
    box = (left, top, left + width, top + height)
    kind = draw.randint(0, 3)
    if kind == 3:
        band = (0, top, side, top + draw.randint(8, side // 6))
        for pen in pens:
            pen.rectangle(band, fill=255)
        return
    pens[1].rectangle(box, fill=255)
    inner = (left + 3, top + 3, left + width - 3, top + height - 3)
    if kind == 0:
        pens[0].ellipse(inner, fill=255)
    elif kind == 1:
        pens[0].rectangle(inner, fill=255)
    else:
        corners = [(draw.randint(left, box[2]), draw.randint(top, box[3])) for _ in range(5)]
        pens[0].polygon(corners, fill=255)


def overlay_masks(count: int, side: int, seed: int = 3) -> Masks:
    """`count` overlays as two masks each, ink and outline: uint8 [count, 2, side, side]."""
    draw = random.Random(seed)
    kinds = [draw_text] * 5 + [draw_watermark] * 2 + [draw_shape] * 3
    masks = np.zeros((count, 2, side, side), np.uint8)
    for number in range(count):
        layers = [Image.new("L", (side, side)) for _ in range(2)]
        draw.choice(kinds)([ImageDraw.Draw(layer) for layer in layers], side, draw)
        angle = draw.uniform(-40, 40) if draw.random() < 0.2 else 0.0
        masks[number] = np.stack([np.asarray(layer.rotate(angle)) for layer in layers])
    return masks


def draw_page(image: Image.Image, draw: random.Random) -> None:
    """Fill a page: bars above and below, boxes, lines of text."""
    pen, side = ImageDraw.Draw(image), image.width
    dark = sum(image.getpixel((0, 0))) < 384  # type: ignore[arg-type]
    ink = (225, 225, 230) if dark else (40, 40, 45)
    for top in (0, side - draw.randint(6, 16)):
        if draw.random() < 0.7:
            colour = tuple(draw.randint(0, 255) for _ in range(3))
            pen.rectangle((0, top, side, top + draw.randint(5, 14)), fill=colour)
    for _ in range(draw.randint(0, 6)):
        left, top = draw.randint(0, side), draw.randint(0, side)
        box = (left, top, left + draw.randint(6, 50), top + draw.randint(4, 30))
        pen.rectangle(box, fill=tuple(draw.randint(0, 255) for _ in range(3)))
    size = draw.choice([5, 6, 7, 9])
    spacing, start = size + draw.randint(1, 5), draw.randint(2, side // 3)
    for top in range(draw.randint(8, 40), side, spacing):
        if draw.random() < 0.8:
            pen.text((start, top), words(draw, 8, 60), ink, font(size))


def pages(count: int, side: int, seed: int = 5) -> Masks:
    """`count` pages to lay pictures on: uint8 RGB [count, 3, side, side]."""
    draw = random.Random(seed)
    grounds = [(255, 255, 255)] * 5 + [(245, 245, 247), (24, 24, 28), (0, 0, 0), (30, 40, 60)]
    drawn = np.zeros((count, 3, side, side), np.uint8)
    for number in range(count):
        image = Image.new("RGB", (side, side), draw.choice(grounds))
        draw_page(image, draw)
        drawn[number] = np.asarray(image).transpose(2, 0, 1)
    return drawn
