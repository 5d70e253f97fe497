"""Files of pictures that are in memory, so that they take the same way as all other pictures.

The same pixels give the same bytes on every machine and with every version of Pillow: their SHA-256
stands for the picture in decisions and in ids. So the PNG is written here, uncompressed.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vecsim.decode.image import as_image_error
from vecsim.decode.transform import on_white, upright
from vecsim.errors import FailureKind, ImageError

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels to the colour type of a PNG: grey, grey and alpha, RGB, RGBA."""

_CONVERTED = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
"""Modes of Pillow that a PNG has no type for, to a mode with the same colours."""

_PROFILED = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa")
"""Modes whose colour profile describes the pixels of the PNG too."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BLOCK = 0xFFFF  # bytes of a stored block of deflate
_MAX_CHUNK = 0x7FFFFFFF
_MAX_PROFILE = 1 << 20
"""Bytes of a colour profile, at most: Pillow reads no larger one from a PNG."""


def file_of_picture(picture: Image.Image) -> bytes:
    """Return the PNG file of a picture of Pillow, turned upright, with its colour profile.

    Of several frames, the current one. Raises `ImageError` for a picture that is opened only now
    and cannot be read.
    """
    try:
        picture.load()
        image, _ = upright(picture)
        profile = image.info.get("icc_profile") if image.mode in _PROFILED else None
        samples = np.asarray(_plain(image))
    except Exception as error:  # Pillow raises errors of any kind for damaged files
        raise as_image_error(error) from error
    return file_of_pixels(samples, profile if isinstance(profile, bytes) else b"")


def file_of_pixels(samples: npt.NDArray[Any], profile: bytes = b"") -> bytes:
    """Return the PNG file of `samples`, uint8 or uint16 (height, width) or (…, 1 to 4 channels).

    `profile`: the ICC profile of their colours. Raises `ImageError` for a picture without pixels,
    and for one too large for a PNG.
    """
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    depth = samples.dtype.itemsize
    row = width * channels * depth
    if not height or not width:
        raise ImageError(FailureKind.DAMAGED, f"the picture is {width} x {height} pixels")
    if height * (row + 1) > _MAX_CHUNK - (1 << 20):
        raise ImageError(FailureKind.TOO_LARGE, f"the picture is {width:,} x {height:,} pixels")
    rows = np.zeros((height, row + 1), np.uint8)  # each row begins with its filter: none
    big_endian = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    rows[:, 1:] = big_endian.reshape(height, -1).view(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 8 * depth, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if 0 < len(profile) <= _MAX_PROFILE:
        chunks.append(_chunk(b"iCCP", b"profile\0\0" + _stored(profile)))
    chunks += [_chunk(b"IDAT", _stored(rows.tobytes())), _chunk(b"IEND", b"")]
    return b"".join([_SIGNATURE, *chunks])


def _plain(image: Image.Image) -> Image.Image:
    """Return `image` in a mode that a PNG has, with the same colours and transparency."""
    if image.mode in ("RGBA", "LA") or (
        image.mode in ("L", "RGB", "I;16") and not image.has_transparency_data
    ):
        return image
    if image.mode in ("L", "RGB", "P") and image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in _CONVERTED:
        return image.convert(_CONVERTED[image.mode])
    return on_white(image, "RGB")


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)])


def _stored(data: bytes) -> bytes:
    """Return `data` as a zlib stream of stored blocks: zlib's own differ between its versions."""
    parts: list[bytes | memoryview] = [b"\x78\x01"]
    view = memoryview(data)
    for start in range(0, len(data), _MAX_BLOCK):
        block = view[start : start + _MAX_BLOCK]
        last = start + len(block) == len(data)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack(">I", zlib.adler32(data))])
