"""Decodes image files into the square of pixels that a model takes; a bad file fails alone."""

from vecsim.decode.image import DecodeLimits, decode_image
from vecsim.decode.picture_files import file_of_picture, file_of_pixels
from vecsim.decode.pool import DecoderPool
from vecsim.decode.transform import THUMBNAIL_SIDE

__all__ = [
    "THUMBNAIL_SIDE",
    "DecodeLimits",
    "DecoderPool",
    "decode_image",
    "file_of_picture",
    "file_of_pixels",
]
