"""Colour profiles of wide RGB spaces, and pictures in them."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

_SRGB = ((0.4361, 0.3851, 0.1431), (0.2225, 0.7169, 0.0606), (0.0139, 0.0971, 0.7141))

SPACES = {
    "Display P3": (
        ((0.5151, 0.2919, 0.1572), (0.2412, 0.6922, 0.0666), (-0.0011, 0.0419, 0.7841)),
        2.2,
    ),
    "Adobe RGB": (
        ((0.6097, 0.2053, 0.1492), (0.3111, 0.6257, 0.0632), (0.0195, 0.0609, 0.7446)),
        2.2,
    ),
    "ProPhoto": (((0.7977, 0.1352, 0.0313), (0.2880, 0.7119, 0.0001), (0.0, 0.0, 0.8249)), 1.8),
    "swapped": (tuple(row[::-1] for row in _SRGB), 2.2),
}
"""Columns of the primaries (XYZ at D50), and gamma, of RGB spaces."""


def profile(space: str) -> bytes:
    """The ICC profile (version 2, matrix) of one of `SPACES`."""
    matrix, gamma = SPACES[space]
    white = b"XYZ " + bytes(4) + b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"x\0",
        b"wtpt": white,
    }
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), np.array(matrix).T, strict=True):
        tags[name] = b"XYZ " + bytes(4) + b"".join(map(_fixed, column))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", offset + len(data), len(padded))
        data += padded
    size = offset + len(data)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + data


def picture_in(space: str, picture: Image.Image) -> Image.Image:
    """Return the pixels in `space` that look as `picture` does in sRGB, as far as they can."""
    matrix, gamma = SPACES[space]
    values = np.asarray(picture) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    other = linear @ (np.linalg.inv(np.array(matrix)) @ np.array(_SRGB)).T
    return Image.fromarray(np.rint(other.clip(0, 1) ** (1 / gamma) * 255).astype(np.uint8))


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))
