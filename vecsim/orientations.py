"""The forms in which a picture is compared: turned, mirrored, or a part; their names and settings.

A form has a code. 0 to 7 are orientations: the number of clockwise quarter turns, plus 4 for a
picture that is mirrored (left and right swapped) before it is turned. 8 to 17 are parts of the
picture: its centre and its corners, of 77 % and of 62 % of each side. A pair can also be found by a
part of the reference; 18 to 27 say so, and are stored of no picture. Imports neither NumPy nor
Pillow, so that help texts do not need them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vecsim.errors import UsageError

if TYPE_CHECKING:
    from vecsim.records import UInt8

AS_IT_IS = 0
"""The code of a picture as it is."""

_SHARES = (77, 62)
"""Percent of each side. A crop to 75 or 60 % is alike to one of these parts, wherever it lies."""

_PLACES = {
    "centre": (0.5, 0.5),
    "top-left": (0.0, 0.0),
    "top-right": (1.0, 0.0),
    "bottom-left": (0.0, 1.0),
    "bottom-right": (1.0, 1.0),
}
"""Of what is left beside the part, the shares at its left and above it."""

_PARTS = [(place, share) for share in _SHARES for place in _PLACES]
_FIRST_PART = 8
_FIRST_WITHIN = _FIRST_PART + len(_PARTS)

_PART_NAMES = tuple(f"{place}-{share}" for place, share in _PARTS)

STORED_NAMES = (
    *("0", "90", "180", "270", "mirror", "mirror+90", "mirror+180", "mirror+270"),
    *_PART_NAMES,
)
"""The name of each form of a picture, by code: degrees clockwise, after mirroring if it says so; or
a part and its percent of each side."""

NAMES = (*STORED_NAMES, *(f"in-{name}" for name in _PART_NAMES))
"""The name of each form in which a query is found, by code: `in-top-left-77` shows the same as that
part of the reference."""

SETTINGS = {
    "none": (0,),
    "mirror": (0, 4),
    "turns": (0, 1, 2, 3),
    "all": tuple(range(_FIRST_PART)),
    "parts": tuple(range(_FIRST_WITHIN)),
}
"""What can be chosen, and the codes of the forms that are compared: 1, 2, 4, 8 or 18."""


def codes_of(setting: str) -> tuple[int, ...]:
    """Return the codes of a setting, 0 first. Raises `UsageError` for an unknown one."""
    if setting not in SETTINGS:
        raise UsageError(f"orientations={setting!r}: choose one of {', '.join(SETTINGS)}.")
    return SETTINGS[setting]


def covering(codes: Iterable[int]) -> str:
    """Return the setting with the fewest forms that has all of `codes`."""
    wanted = set(codes)
    return next(name for name, all_codes in SETTINGS.items() if wanted <= set(all_codes))


def inverse(code: int) -> int:
    """Return the form of a query that shows the same as a reference in the form `code`.

    The orientation that undoes `code`; a mirrored one undoes itself. For a part, the code that says
    "within that part".
    """
    if code >= _FIRST_WITHIN:
        return code - len(_PARTS)
    if code >= _FIRST_PART:
        return code + len(_PARTS)
    return code if code >= 4 else -code % 4


def oriented(pixels: UInt8, code: int) -> UInt8:
    """Return a square picture, uint8 (size, size) or (size, size, 3), in the form `code`.

    Of orientations, a view of the same pixels: no pixel is computed anew. A part is enlarged to the
    same size, bilinear.
    """
    if code >= _FIRST_PART:
        return _part(pixels, *_PARTS[code - _FIRST_PART])
    if code >= 4:
        pixels = pixels[:, ::-1]
    turned = (
        pixels,
        pixels.swapaxes(0, 1)[:, ::-1],
        pixels[::-1, ::-1],
        pixels.swapaxes(0, 1)[::-1],
    )
    return turned[code % 4]


def _part(pixels: UInt8, place: str, share: int) -> UInt8:
    import numpy as np
    from PIL import Image

    size = len(pixels)
    side = max(1, round(size * share / 100))
    left, top = (round((size - side) * at) for at in _PLACES[place])
    part = Image.fromarray(pixels[top : top + side, left : left + side])
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR))
