"""`phash`: the 64-bit perceptual hash as a vector, so that hashes live in the same index."""

from __future__ import annotations

import numpy as np

from vecsim.models.registry import Spec
from vecsim.models.shapes import check_pixels
from vecsim.records import Float32, UInt8

BITS = 64


class PhashEmbedder:
    """64 values of +-1/8: unit length, and the cosine of two is 1 - 2 * hamming / 64.

    imagehash shrinks a picture to 32 x 32 grey pixels itself, with Pillow's Lanczos filter;
    pictures come here prepared just so, and its own shrinking then changes nothing.
    Safe to call from many threads.
    """

    def __init__(self, spec: Spec) -> None:
        self.fingerprint = spec.fingerprint()
        self.preparation = spec.preparation
        self.threshold = spec.threshold

    def embed(self, pixels: UInt8) -> Float32:
        """Hash prepared pictures: uint8 (n, 32, 32) in, float32 (n, 64) out."""
        import imagehash
        from PIL import Image

        check_pixels(pixels, self.preparation)
        bits = np.empty((len(pixels), BITS), dtype=np.bool_)
        for row, picture in enumerate(pixels):
            bits[row] = imagehash.phash(Image.fromarray(picture)).hash.reshape(BITS)
        return np.where(bits, np.float32(0.125), np.float32(-0.125))
