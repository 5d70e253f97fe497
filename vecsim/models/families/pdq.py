"""`pdq`: the 256-bit PDQ hash as a vector. The package pdqhash computes it."""

from __future__ import annotations

import numpy as np

from vecsim.errors import MissingExtraError
from vecsim.models.family import Family, ModelSpec, WithoutWeights
from vecsim.models.inference import check_pixels
from vecsim.protocols import Preparation
from vecsim.records import Float32, UInt8

BITS = 256

# At most 31 of the 256 bits differ, the limit that Meta recommends: a cosine of 1 - 2 * 31 / 256,
# 0.7578125, which as a score is 0.757812 (it is half-way, and rounded to even).
THRESHOLD = 0.7578

SPEC = ModelSpec(
    name="pdq",
    dim=BITS,
    preparation=Preparation(64, "smooth"),
    threshold=THRESHOLD,
    description="256-bit PDQ hash: whole-picture copies; needs vecsim[pdq]",
    speed="fast",
)


class PdqEmbedder:
    """256 values of +-1/16: unit length, and the cosine of two is 1 - 2 * hamming / 256.

    PDQ reduces a picture to 64 x 64 pixels before its transform; `SPEC.preparation` has done so
    already, with a filter of its own, from a JPEG that was decoded at a fraction of its size. So
    some bits differ from the hash of the whole picture, where those are near the median (10 of 256
    in the median of 124 photographs): compare these hashes with each other.
    Safe to call from many threads.
    """

    fingerprint = SPEC.fingerprint()
    preparation = SPEC.preparation
    threshold = SPEC.threshold

    def __init__(self) -> None:
        """Raise `MissingExtraError` if the package pdqhash is not installed."""
        try:
            import pdqhash
        except ImportError as error:
            raise MissingExtraError(
                "The model pdq needs the package pdqhash: pip install 'vecsim[pdq]'"
            ) from error
        self._compute = pdqhash.compute

    def embed(self, pixels: UInt8) -> Float32:
        """Hash prepared pictures: uint8 (n, 64, 64, 3) in, float32 (n, 256) out."""
        check_pixels(pixels, self.preparation)
        bits = np.stack([self._compute(picture)[0] for picture in pixels])
        return np.where(bits, np.float32(1 / 16), np.float32(-1 / 16))


PDQ: Family = WithoutWeights(SPEC, PdqEmbedder)
