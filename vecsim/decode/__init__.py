"""From an image file's bytes to the square of pixels a model takes; bad files cost one row."""

from vecsim.decode.image import decode_image
from vecsim.decode.limits import DecodeLimits
from vecsim.decode.pool import DecoderPool

__all__ = ["DecodeLimits", "DecoderPool", "decode_image"]
