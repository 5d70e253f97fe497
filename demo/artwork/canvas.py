"""A supersampled canvas: shapes as stencils, colour as float arrays, both in picture units.

One picture unit is one pixel of the finished picture. Everything is drawn `SCALE` times larger
and reduced at the end, which is what makes edges smooth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SCALE = 3

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = "str | FloatArray"
GradientStops: TypeAlias = Sequence[tuple[float, str]]


def rgb(colour: str) -> FloatArray:
    """Return `#rrggbb` as three floats between 0 and 1."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], dtype=np.float32)


def gradient(position: FloatArray, stops: GradientStops) -> FloatArray:
    """Return the colour at every position, interpolated between (position, colour) stops."""
    places = [place for place, _ in stops]
    colours = np.stack([rgb(colour) for _, colour in stops])
    channels = [np.interp(position, places, colours[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def mix(first: Colour, second: Colour, share: FloatArray | float) -> FloatArray:
    """Return `first` moved towards `second` by `share` (0 to 1), per pixel or everywhere."""
    a = rgb(first) if isinstance(first, str) else first
    b = rgb(second) if isinstance(second, str) else second
    weight = np.asarray(share, dtype=np.float32)
    if weight.ndim:
        weight = weight[..., None]
    return np.asarray(a + (b - a) * weight, dtype=np.float32)


def smoothstep(low: float, high: float, value: FloatArray) -> FloatArray:
    """Return 0 below `low`, 1 above `high` and a smooth ramp between them."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


class Stencil:
    """A mask of shapes that can then be painted in one go."""

    def __init__(self, width: float, height: float) -> None:
        """Make an empty stencil of this size, in picture units."""
        self.mask = Image.new("L", (round(width * SCALE), round(height * SCALE)), 0)
        self._draw = ImageDraw.Draw(self.mask)

    def _adopt(self, mask: Image.Image) -> Stencil:
        self.mask = mask
        self._draw = ImageDraw.Draw(mask)
        return self

    def polygon(self, points: Iterable[Point], *, fill: int = 255) -> Stencil:
        """Add (or with `fill=0` cut out) a polygon."""
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)
        return self

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, *, fill: int = 255) -> Stencil:
        """Add a rectangle."""
        return self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill=fill)

    def rounded(
        self, x0: float, y0: float, x1: float, y1: float, radius: float, *, fill: int = 255
    ) -> Stencil:
        """Add a rectangle with rounded corners."""
        box = (x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE)
        self._draw.rounded_rectangle(box, radius * SCALE, fill=fill)
        return self

    def ellipse(
        self, x: float, y: float, rx: float, ry: float | None = None, *, fill: int = 255
    ) -> Stencil:
        """Add an ellipse around (x, y); a circle where `ry` is left out."""
        ry = rx if ry is None else ry
        box = ((x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE)
        self._draw.ellipse(box, fill=fill)
        return self

    def stroke(
        self, points: Sequence[Point], width: float, end_width: float | None = None
    ) -> Stencil:
        """Add a line with round ends whose width runs from `width` to `end_width`."""
        end_width = width if end_width is None else end_width
        steps = max(len(points) - 1, 1)
        for i, (start, end) in enumerate(pairwise(points)):
            here = width + (end_width - width) * i / steps
            pixels = max(1, round(here * SCALE))
            self._draw.line([(x * SCALE, y * SCALE) for x, y in (start, end)], 255, pixels)
            if here * SCALE > 2:
                radius = here / 2 - 0.5 / SCALE  # Pillow's ellipses reach a pixel further
                self.ellipse(*start, radius).ellipse(*end, radius)
        return self

    def letter(self, text: str, x: float, y: float, size: float, stroke: float = 0) -> Stencil:
        """Add text with its left end at `x` and its base line at `y`."""
        self._draw.text(
            (x * SCALE, y * SCALE),
            text,
            fill=255,
            font=font(size),
            anchor="ls",
            stroke_width=stroke * SCALE,
        )
        return self

    def intersect(self, other: Stencil) -> Stencil:
        """Keep only what `other` covers too."""
        return self._adopt(ImageChops.multiply(self.mask, other.mask))

    def subtract(self, other: Stencil) -> Stencil:
        """Cut `other` out."""
        return self._adopt(ImageChops.multiply(self.mask, ImageChops.invert(other.mask)))

    def blur(self, radius: float) -> Stencil:
        """Soften the edges."""
        return self._adopt(self.mask.filter(ImageFilter.GaussianBlur(radius * SCALE)))

    def rotate(self, degrees: float, x: float, y: float) -> Stencil:
        """Turn everything drawn so far counter-clockwise around (x, y)."""
        turned = self.mask.rotate(degrees, Image.Resampling.BICUBIC, center=(x * SCALE, y * SCALE))
        return self._adopt(turned)

    def array(self) -> FloatArray:
        """Return the mask as floats between 0 and 1."""
        return np.asarray(self.mask, dtype=np.float32) / 255


class Canvas:
    """An RGB picture of float pixels, `SCALE` times larger than the finished one."""

    def __init__(self, width: int, height: int, background: str = "#ffffff") -> None:
        """Make a canvas of one colour."""
        self.width, self.height = width, height
        shape = (height * SCALE, width * SCALE)
        self.pixels = np.broadcast_to(rgb(background), (*shape, 3)).copy()
        self.x = ((np.arange(shape[1], dtype=np.float32) + 0.5) / SCALE)[None, :]
        self.y = ((np.arange(shape[0], dtype=np.float32) + 0.5) / SCALE)[:, None]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the enlarged pixel array."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def stencil(self) -> Stencil:
        """Return an empty stencil of the canvas's size."""
        return Stencil(self.width, self.height)

    def paint(self, mask: Stencil | FloatArray, colour: Colour, opacity: float = 1.0) -> None:
        """Lay a colour (one, or one for each pixel) over what the mask covers."""
        rows, columns, coverage = self._extent(mask)
        if coverage.size:
            value = rgb(colour) if isinstance(colour, str) else colour
            value = np.broadcast_to(value, self.pixels.shape)[rows, columns]
            below = self.pixels[rows, columns]
            below += (value - below) * (coverage * np.float32(opacity))[..., None]

    def light(self, mask: Stencil | FloatArray, colour: str, strength: float = 1.0) -> None:
        """Brighten what the mask covers, as light does: never beyond white."""
        rows, columns, coverage = self._extent(mask)
        if coverage.size:
            below = self.pixels[rows, columns]
            below += (1 - below) * (coverage * np.float32(strength))[..., None] * rgb(colour)

    def shade(self, mask: Stencil | FloatArray, colour: str, strength: float = 1.0) -> None:
        """Darken what the mask covers by multiplying with a colour."""
        rows, columns, coverage = self._extent(mask)
        if coverage.size:
            factor = 1 - (1 - rgb(colour)) * (coverage * np.float32(strength))[..., None]
            self.pixels[rows, columns] *= factor

    def _extent(self, mask: Stencil | FloatArray) -> tuple[slice, slice, FloatArray]:
        """Return the rows and columns a mask touches and its coverage there."""
        if not isinstance(mask, Stencil):
            return slice(None), slice(None), np.broadcast_to(mask, self.shape)
        left, top, right, bottom = mask.mask.getbbox() or (0, 0, 0, 0)
        part = np.asarray(mask.mask.crop((left, top, right, bottom)), dtype=np.float32) / 255
        return slice(top, bottom), slice(left, right), part

    def image(self) -> Image.Image:
        """Return the finished picture."""
        pixels = (np.clip(self.pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
        return Image.fromarray(pixels).resize(
            (self.width, self.height), Image.Resampling.LANCZOS, reducing_gap=None
        )


_fonts: dict[int, ImageFont.FreeTypeFont] = {}


def font(size: float) -> ImageFont.FreeTypeFont:
    """Return the font that ships with Pillow, its size in picture units."""
    pixels = round(size * SCALE)
    if pixels not in _fonts:
        loaded = ImageFont.load_default(size=pixels)
        if not isinstance(loaded, ImageFont.FreeTypeFont):
            raise RuntimeError("the demo's lettering needs a Pillow built with FreeType")
        _fonts[pixels] = loaded
    return _fonts[pixels]


def text_width(text: str, size: float, tracking: float = 0) -> float:
    """Return how wide `lettering` sets this text."""
    return sum(font(size).getlength(c) / SCALE + tracking for c in text) - tracking


def lettering(
    stencil: Stencil,
    text: str,
    x: float,
    y: float,
    size: float,
    *,
    tracking: float = 0,
    anchor: str = "middle",
    weight: float = 0,
) -> list[float]:
    """Set text letter by letter on the base line `y`; return where each letter starts.

    `anchor` says what `x` is: the text's "left", "middle" or "right". `weight` makes the letters
    bolder by that many units on every side.
    """
    full = text_width(text, size, tracking)
    pen = x - {"left": 0.0, "middle": full / 2, "right": full}[anchor]
    starts = []
    for character in text:
        starts.append(pen)
        stencil.letter(character, pen, y, size, weight)
        pen += font(size).getlength(character) / SCALE + tracking
    return starts


def curve(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """Return a smooth line through all the points (a Catmull-Rom spline)."""
    knots = np.array([points[0], *points, points[-1]], dtype=np.float64)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        parts.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    line = [(float(x), float(y)) for x, y in np.concatenate(parts)]
    return [*line, points[-1]]


def noise(
    shape: tuple[int, int],
    cell: tuple[float, float],
    rng: np.random.Generator,
    octaves: int = 4,
) -> FloatArray:
    """Return fractal noise between about -1 and 1.

    `cell` is the height and width, in picture units, of the largest blotches.
    """
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        rows = max(2, round(shape[0] / SCALE / cell[0] * 2**octave) + 2)
        columns = max(2, round(shape[1] / SCALE / cell[1] * 2**octave) + 2)
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        size = (shape[1], shape[0])
        total += (
            np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)) / 2**octave
        )
    return total


def ridged(
    shape: tuple[int, int],
    cell: tuple[float, float],
    rng: np.random.Generator,
    octaves: int = 4,
) -> FloatArray:
    """Return noise with sharp crests (1 on a crest, lower away from it)."""
    return np.asarray(1 - np.abs(noise(shape, cell, rng, octaves)), dtype=np.float32)
