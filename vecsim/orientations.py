"""Orientations of a picture: turned by quarters, mirrored, or both; their names and settings.

An orientation has a code from 0 to 7: the number of clockwise quarter turns, plus 4 for a picture
that is mirrored (left and right swapped) before it is turned. Imports no NumPy, so that help texts
do not need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vecsim.errors import UsageError

if TYPE_CHECKING:
    from vecsim.records import UInt8

AS_IT_IS = 0
"""The code of a picture as it is."""

NAMES = ("0", "90", "180", "270", "mirror", "mirror+90", "mirror+180", "mirror+270")
"""The name of each orientation, by code: degrees clockwise, after mirroring if it says so."""

SETTINGS = {
    "none": (0,),
    "mirror": (0, 4),
    "turns": (0, 1, 2, 3),
    "all": (0, 1, 2, 3, 4, 5, 6, 7),
}
"""What can be chosen, and the codes of the orientations that are compared: 1, 2, 4 or 8."""


def codes_of(setting: str) -> tuple[int, ...]:
    """Return the codes of a setting, 0 first. Raises `UsageError` for an unknown one."""
    if setting not in SETTINGS:
        raise UsageError(f"orientations={setting!r}: choose one of {', '.join(SETTINGS)}.")
    return SETTINGS[setting]


def covering(codes: Iterable[int]) -> str:
    """Return the setting with the fewest orientations that has all of `codes`."""
    wanted = set(codes)
    return next(name for name, all_codes in SETTINGS.items() if wanted <= set(all_codes))


def inverse(code: int) -> int:
    """Return the orientation that undoes `code`. A mirrored one undoes itself."""
    return code if code >= 4 else -code % 4


def oriented(pixels: UInt8, code: int) -> UInt8:
    """Return a square picture, uint8 (size, size) or (size, size, 3), in orientation `code`.

    A view of the same pixels: no pixel is computed anew.
    """
    if code >= 4:
        pixels = pixels[:, ::-1]
    turned = (
        pixels,
        pixels.swapaxes(0, 1)[:, ::-1],
        pixels[::-1, ::-1],
        pixels.swapaxes(0, 1)[::-1],
    )
    return turned[code % 4]
