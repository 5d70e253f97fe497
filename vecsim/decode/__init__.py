"""Decodes image files into the square of pixels that a model takes; a bad file fails alone.

Names are imported when they are first used: a search of indexes needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecsim.lazy_names import lazy_names

if TYPE_CHECKING:
    from vecsim.decode.image import decode_image
    from vecsim.decode.limits import THUMBNAIL_SIDE, DecodeLimits
    from vecsim.decode.picture_files import file_of_picture, file_of_pixels
    from vecsim.decode.pool import DecoderPool

_HOMES = {
    "DecodeLimits": "limits",
    "DecoderPool": "pool",
    "THUMBNAIL_SIDE": "limits",
    "decode_image": "image",
    "file_of_picture": "picture_files",
    "file_of_pixels": "picture_files",
}

__all__ = [
    "THUMBNAIL_SIDE",
    "DecodeLimits",
    "DecoderPool",
    "decode_image",
    "file_of_picture",
    "file_of_pixels",
]

__getattr__ = lazy_names(__name__, _HOMES)
