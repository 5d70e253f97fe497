"""Finds the picture in a frame of one colour, or in a page such as a screenshot.

The same picture with a white margin, between black bars or in a screenshot is one picture to a
person; a model that gets it squashed to a small square sees mostly the frame. What is cut away is
decided so that a copy that was edited further is cut in the same way:

1. A margin counts only if it has one colour on two opposite sides, ends abruptly (a soft shadow, a
   sky or a vignette does not), and leaves at least a quarter of each side of the picture.
2. Inside such a margin, rows and columns of its colour may separate the picture from a clock,
   buttons or lines of text. The largest part is taken if it is by far the largest and is filled: a
   picture, not text.
3. What is left has straight edges: on each side that was cut, the colour of the margin ends along
   most of the side. A product, a logo or a drawing on white is part of a picture with that ground,
   which stays whole: where it ends, each copy would say differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
from PIL import Image

from vecsim.records import UInt8

_PROBE = 400
"""Pixels of the longer side, about, of the small picture in which margins are looked for."""

_NEAR, _FAR = 12, 30
"""Differences of a channel, of 255: up to `_NEAR` a pixel has the colour of the margin, in spite of
noise and JPEG; from `_FAR` on it has another one. A margin ends abruptly if the first pixel above
`_FAR` is near the first one above `_NEAR`."""

_BLUR, _BLOCK = 0.03, 16
"""How far apart the ends for `_NEAR` and `_FAR` may be: a share of the side, or as many pixels of
the picture as a block of a JPEG has."""

_LEAST_CUT = 0.02
"""Share of a side that both margins together must have: smaller ones hardly change a vector."""

_LEAST_KEPT = 0.25
"""Share of each side of the picture that must be left: a small drawing on an empty page stays."""

_TIMES_LARGER = 3.0
"""Factor by which the part that is taken is longer than any other part."""

_FILLED = 0.7
"""Share of the pixels of that part which differ from the colour of the margin."""

_STRAIGHT = 0.6
"""Share of a line that must differ from the margin where the picture begins."""

_BEND = 0.02
"""How far from the end of the margin that line may be: a share of the side, or half a block."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Box:
    """Rows and columns of the probe, each from the first to before the last."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, filled: Bools) -> Bools:
        """Return the part of `filled` in the box."""
        part: Bools = filled[self.top : self.bottom, self.left : self.right]
        return part


def without_margins(picture: Image.Image) -> Image.Image:
    """Return the part of `picture` (mode RGB or L) inside its margins; all of it without any.

    At most a pixel of the probe is left of a margin on each side: less than 1 % of the picture.
    """
    factor = max(1, round(max(picture.size) / _PROBE))
    probe = picture.reduce(factor) if factor > 1 else picture
    if not _are_corners_alike(probe):
        return picture  # most pictures end here, before their pixels are copied
    pixels = np.asarray(probe)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width = pixels.shape[:2]
    if not _may_have_margins(pixels):
        return picture
    box = _straightened(pixels, _part_in(pixels, _inside(pixels, factor)), factor)
    if box is None:
        return picture
    share = min((box.bottom - box.top) / height, (box.right - box.left) / width)
    if share < _LEAST_KEPT:
        return picture
    return picture.crop(
        (
            box.left * factor,
            box.top * factor,
            min(picture.width, box.right * factor),
            min(picture.height, box.bottom * factor),
        )
    )


def _are_corners_alike(probe: Image.Image) -> bool:
    """Say whether the corners differ little, as they do where opposite sides have one colour."""
    right, bottom = probe.width - 1, probe.height - 1
    corners = [probe.getpixel(at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))]
    channels = [corners] if probe.mode == "L" else zip(*corners, strict=True)
    return all(max(levels) - min(levels) <= 2 * _NEAR for levels in channels)


def _may_have_margins(pixels: UInt8) -> bool:
    """Say whether opposite sides of the picture have one colour: most pictures end here."""
    return _colour(pixels, 0) is not None or _colour(pixels, 1) is not None


def _colour(pixels: UInt8, axis: int) -> npt.NDArray[np.int16] | None:
    """Return the colour that the first and the last line along `axis` have both, if they do."""
    first, last = (pixels.take(index, axis).astype(np.int16) for index in (0, -1))
    colour: npt.NDArray[np.int16] = np.median(first, axis=0).astype(np.int16)
    same = max(np.abs(first - colour).max(), np.abs(last - colour).max()) <= _NEAR
    return colour if same else None


def _inside(pixels: UInt8, factor: int) -> _Box:
    """Return what the margins of both axes leave, of a probe reduced by `factor`."""
    rows, columns = _ends(pixels, 0, factor), _ends(pixels, 1, factor)
    return _Box(*rows, *columns)


def _ends(pixels: UInt8, axis: int, factor: int) -> tuple[int, int]:
    """Return the first line along `axis` that is no margin, and the one after the last."""
    length = pixels.shape[axis]
    whole = 0, length
    colour = _colour(pixels, axis)
    if colour is None:
        return whole
    furthest = _difference(pixels, colour).max(axis=1 - axis)
    near, far = np.flatnonzero(furthest > _NEAR), np.flatnonzero(furthest > _FAR)
    if not len(far):
        return whole
    moved = max(far[0] - near[0], near[-1] - far[-1])
    start, end = int(far[0]), int(far[-1]) + 1
    cut = length - (end - start)
    if moved > max(_BLOCK / factor, _BLUR * length) or cut < _LEAST_CUT * length:
        return whole
    return start, end


def _difference(pixels: UInt8, colour: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return how much each pixel differs from `colour`, by the channel that differs most."""
    # Channel by channel: along so short an axis NumPy takes ten times as long.
    channels = zip(np.moveaxis(pixels, 2, 0), colour, strict=True)
    differences = (np.abs(levels.astype(np.int16) - level) for levels, level in channels)
    return reduce(np.maximum, differences)


def _straightened(pixels: UInt8, box: _Box, factor: int) -> _Box | None:
    """Move each cut side of `box` inwards to where most of the line is filled; None if that is far.

    Noise and the blocks of a JPEG lie around a picture. Of a picture without straight edges nothing
    is cut.
    """
    height, width = pixels.shape[:2]
    colour = _colour_around(pixels, box)
    if colour is None:
        return None
    filled = box.of(_difference(pixels, colour) > _NEAR)
    rows = _first_and_last(filled.mean(axis=1) >= _STRAIGHT)
    columns = _first_and_last(filled.mean(axis=0) >= _STRAIGHT)
    moved = (
        rows[0] if box.top else 0,
        filled.shape[0] - rows[1] if box.bottom < height else 0,
        columns[0] if box.left else 0,
        filled.shape[1] - columns[1] if box.right < width else 0,
    )
    limits = [max(_BLOCK / 2 / factor, _BEND * side) for side in (height, width)]
    if max(moved[:2]) > limits[0] or max(moved[2:]) > limits[1]:
        return None
    top, bottom, left, right = moved
    return _Box(box.top + top, box.bottom - bottom, box.left + left, box.right - right)


def _first_and_last(lines: Bools) -> tuple[int, int]:
    """Return the first line that is marked and the one after the last; far inside if none is."""
    marked = np.flatnonzero(lines)
    return (int(marked[0]), int(marked[-1]) + 1) if len(marked) else (len(lines), 0)


def _colour_around(pixels: UInt8, box: _Box) -> npt.NDArray[np.int16] | None:
    """Return the colour of the margin around `box`; None where `box` is all of the picture."""
    height, width = pixels.shape[:2]
    colour = _colour(pixels, 0) if box.top or box.bottom < height else None
    if colour is None and (box.left or box.right < width):
        colour = _colour(pixels, 1)
    return colour


def _part_in(pixels: UInt8, box: _Box) -> _Box:
    """Return the picture of a page inside `box`, or `box` if it is no page.

    The colour of the page is that of the margin around `box`.
    """
    colour = _colour_around(pixels, box)
    if colour is None:
        return box
    filled = _difference(pixels, colour) > _NEAR
    part = _largest_part(filled, box)
    share = float(np.mean(part.of(filled))) if part != box else 0.0
    return part if share >= _FILLED else box


def _largest_part(filled: Bools, box: _Box) -> _Box:
    """Cut at empty rows, then at empty columns, as long as one part is by far the largest."""
    while True:
        before = box
        rows = _longest_run(box.of(filled).max(axis=1))
        box = _Box(box.top + rows[0], box.top + rows[1], box.left, box.right)
        columns = _longest_run(box.of(filled).max(axis=0))
        box = _Box(box.top, box.bottom, box.left + columns[0], box.left + columns[1])
        if box == before:
            return box


def _longest_run(lines: Bools) -> tuple[int, int]:
    """Return the longest run of filled lines; all if it is not much longer than the others."""
    steps = np.diff(np.concatenate([[0], lines.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lengths = ends - starts
    if not len(lengths):
        return 0, len(lines)
    longest = int(lengths.argmax())
    others = np.delete(lengths, longest)
    if len(others) and lengths[longest] < _TIMES_LARGER * others.max():
        return 0, len(lines)
    return int(starts[longest]), int(ends[longest])
