"""Rewrites BMP files of kinds that browsers show and Pillow refuses, so that Pillow decodes them.

These are any masks of the channels (BI_BITFIELDS, BI_ALPHABITFIELDS), two bits a pixel, palettes
with more than 256 entries, and the short header of OS/2. (Format: BITMAPINFOHEADER to
BITMAPV5HEADER in Microsoft's documentation of GDI; `bmpsuite` has a file of each kind.)
"""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image

_Bytes = npt.NDArray[np.uint8]

_FILE_HEADER = 14
_SHORT_HEADER = 16
_HEADERS = (_SHORT_HEADER, 40, 52, 56, 64, 108, 124)
_MASKS = _FILE_HEADER + 40
_PLAIN, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_WITH_ALPHA_MASK = 56


def rewritten_bitmap(data: bytes) -> bytes | None:
    """Return the file of the same picture in a form that Pillow reads, or None if that fails.

    BMP, or PNG for a picture with transparency. Raises struct.error for a file that is cut short.
    """
    offset, size, width, height = struct.unpack_from("<10xIIii", data)
    _, bits = struct.unpack_from("<HH", data, 26)
    compression = _PLAIN if size == _SHORT_HEADER else struct.unpack_from("<I", data, 30)[0]
    if size not in _HEADERS or bits not in (1, 2, 4, 8, 16, 32) or width <= 0 or not height:
        return None
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * abs(height) > limit:
        return None
    stride = (width * bits + 31) // 32 * 4
    stored = data[offset : offset + stride * abs(height)]
    if len(stored) < stride * abs(height):
        return None
    rows = np.frombuffer(stored, np.uint8).reshape(abs(height), stride)[:: -1 if height > 0 else 1]
    if bits <= 8 and compression == _PLAIN:
        pixels = _from_palette(rows, bits, data[_FILE_HEADER + size : offset])[:, :width]
    elif bits > 8 and compression in (_BITFIELDS, _ALPHA_BITFIELDS):
        has_alpha = compression == _ALPHA_BITFIELDS or size >= _WITH_ALPHA_MASK
        masks = struct.unpack_from("<4I" if has_alpha else "<3I", data, _MASKS)
        words = np.ascontiguousarray(rows).view(f"<u{bits // 8}")[:, :width]
        pixels = _from_masks(words, masks if masks[-1] else masks[:3])
    else:
        return None
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "BMP" if pixels.shape[2] == 3 else "PNG", compress_level=1)
    return stream.getvalue()


def _from_palette(rows: _Bytes, bits: int, palette: bytes) -> _Bytes:
    """Return the colours (h, w, 3) of rows of indices with `bits` bits each, the first on top.

    `palette`: blue, green, red and a zero for each colour. Indices without a colour are black.
    """
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    indices = (rows[:, :, None] >> shifts & (1 << bits) - 1).reshape(len(rows), -1)
    colours = np.zeros((256, 3), np.uint8)
    known = np.frombuffer(palette[: min(len(palette) // 4, 256) * 4], np.uint8).reshape(-1, 4)
    colours[: len(known)] = known[:, 2::-1]
    pixels: _Bytes = colours[indices]
    return pixels


def _from_masks(words: npt.NDArray[np.unsignedinteger], masks: tuple[int, ...]) -> _Bytes:
    """Return the channels (h, w, number of masks) in eight bits each."""
    channels = np.zeros((*words.shape, len(masks)), np.uint8)
    for number, mask in enumerate(masks):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            most = mask >> shift
            values = (words.astype(np.int64) & mask) >> shift
            channels[..., number] = (values * 255 + most // 2) // most
    return channels
