"""The models that benchmarks test: vecsim's own, a flatbuffer in place of one, and Meta's PDQ."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vecsim.decode import DecodeLimits, decode_image
from vecsim.models import load_embedder
from vecsim.models.inference import LiteRTEmbedder
from vecsim.models.registry import find_spec

Vectors = NDArray[np.float32]

SAME_BITS = 31  # of 256: the distance that PDQ's documentation calls a copy
PDQ_THRESHOLD = 1 - 2 * SAME_BITS / 256


class TestedModel(Protocol):
    """A model that a benchmark tests, from an image file to a unit vector."""

    threshold: float

    def describe(self, data: bytes) -> Vectors:
        """Return the unit vector of an image file; raises `ImageError` if it cannot be decoded."""


class VecsimModel:
    """One of vecsim's models, with vecsim's own decoder, on one thread."""

    def __init__(self, name: str, weights: str) -> None:
        if weights.endswith(".tflite"):
            flatbuffer = Path(weights).read_bytes()
            sha256 = hashlib.sha256(flatbuffer).hexdigest()
            self._embedder: Any = LiteRTEmbedder(find_spec(name), flatbuffer, sha256, threads=1)
        else:
            path = Path(weights) if weights else None
            self._embedder = load_embedder(name, weights=path, device="cpu", threads=1)
        self.threshold = self._embedder.threshold

    def describe(self, data: bytes) -> Vectors:
        """Decode as vecsim does, and embed."""
        pixels = decode_image(data, self._embedder.preparation, DecodeLimits()).pixels
        vector: Vectors = self._embedder.embed(pixels[None])[0]
        return vector / np.linalg.norm(vector)


class Pdq:
    """Meta's PDQ: 256 bits as signs, so that the cosine is 1 - 2 * hamming / 256."""

    threshold = PDQ_THRESHOLD

    def describe(self, data: bytes) -> Vectors:
        """Hash the picture in its full size."""
        import pdqhash

        bits, _quality = pdqhash.compute(np.asarray(open_upright(data)))
        return np.where(bits, 1 / 16, -1 / 16).astype(np.float32)


def load_tested(argument: str) -> tuple[str, TestedModel]:
    """Load the model of the argument `NAME` or `NAME=WEIGHTS`; returns its name too."""
    name, _, weights = argument.partition("=")
    return name, Pdq() if name == "pdq" else VecsimModel(name, weights)


def open_upright(data: bytes) -> Image.Image:
    """Open a picture upright and on white, as RGB."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("RGBA", "LA", "P", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
