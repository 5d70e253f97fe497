"""`phash`: the 64-bit perceptual hash as a vector, so that hashes live in the same index."""

from __future__ import annotations

import numpy as np

from vecsim.models.family import Family, ModelSpec, WithoutWeights
from vecsim.models.inference import check_pixels
from vecsim.protocols import Preparation
from vecsim.records import Float32, UInt8

BITS = 64

# 1 - 2 * 10 / 64: at most 10 of the 64 bits differ, the usual limit for pHash. Fair bits come that
# close once in 1e8 pairs (sum of C(64, k), k <= 10, over 2**64). Measured on 4.5 million pairs of
# real photographs: 3 pairs at 10 bits, the same 3 at 8, but 20 at 12.
THRESHOLD = 0.6875

SPEC = ModelSpec(
    name="phash",
    dim=BITS,
    preparation=Preparation(32, "lanczos", mode="L"),
    threshold=THRESHOLD,
    description="64-bit perceptual hash: whole-picture copies; no download",
    speed="fast",
    copies_found=0.510,
)


class PhashEmbedder:
    """64 values of +-1/8: unit length, and the cosine of two is 1 - 2 * hamming / 64.

    imagehash itself would shrink a picture to 32 x 32 grey pixels with Pillow's Lanczos filter;
    `SPEC.preparation` has done the same already, so imagehash's resize changes nothing.
    Safe to call from many threads.
    """

    fingerprint = SPEC.fingerprint()
    preparation = SPEC.preparation
    threshold = SPEC.threshold

    def embed(self, pixels: UInt8) -> Float32:
        """Hash prepared pictures: uint8 (n, 32, 32) in, float32 (n, 64) out."""
        import imagehash
        from PIL import Image

        check_pixels(pixels, self.preparation)
        bits = np.empty((len(pixels), BITS), dtype=np.bool_)
        for row, picture in enumerate(pixels):
            bits[row] = imagehash.phash(Image.fromarray(picture)).hash.reshape(BITS)
        return np.where(bits, np.float32(0.125), np.float32(-0.125))


PHASH: Family = WithoutWeights(SPEC, PhashEmbedder)
