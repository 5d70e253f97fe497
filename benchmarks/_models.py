"""The models that benchmarks test: vecsim's own, Meta's PDQ, and networks that take whole pictures.

Each describes a picture as it is, or in the orientations that `--orientations` would compare.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vecsim.decode import DecodeLimits, decode_image
from vecsim.errors import ModelError
from vecsim.models import load_embedder
from vecsim.models.inference import LiteRTEmbedder
from vecsim.models.registry import find_spec
from vecsim.orientations import SETTINGS, oriented

Vectors = NDArray[np.float32]

SAME_BITS = 31  # of 256: the distance that PDQ's documentation calls a copy
PDQ_THRESHOLD = 1 - 2 * SAME_BITS / 256
SSCD_THRESHOLD = 0.75  # the score that SSCD's documentation calls a copy
SSCD_SIDE = 288  # pixels; SSCD's documentation resizes the shorter side to this, or both to 320


class TestedModel(Protocol):
    """A model that a benchmark tests, from an image file to unit vectors.

    `codes`: the orientations in which a query is compared, 0 first.
    """

    threshold: float
    codes: Sequence[int]

    def describe(self, data: bytes, codes: Sequence[int] = (0,)) -> Vectors:
        """Return the unit vectors (codes, dim) of an image file in some orientations.

        Raises `ImageError` or what Pillow raises if it cannot be decoded.
        """


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
        self.codes = SETTINGS["all" if name == "phash" else "turns"]

    def describe(self, data: bytes, codes: Sequence[int] = (0,)) -> Vectors:
        """Decode as vecsim does, and embed."""
        pixels = decode_image(data, self._embedder.preparation, DecodeLimits()).pixels
        return unit(self._embedder.embed(np.stack([oriented(pixels, code) for code in codes])))


class Pdq:
    """Meta's PDQ: 256 bits as signs, so that the cosine is 1 - 2 * hamming / 256."""

    threshold = PDQ_THRESHOLD
    codes = SETTINGS["all"]

    def describe(self, data: bytes, codes: Sequence[int] = (0,)) -> Vectors:
        """Hash the picture in its full size; of orientations other than 0, in PDQ's order."""
        import pdqhash

        pixels = np.asarray(open_upright(data))
        bits = [pdqhash.compute(pixels)[0]]
        if len(codes) > 1:
            bits = pdqhash.compute_dihedral(pixels)[0][: len(codes)]
        return np.where(np.array(bits), 1 / 16, -1 / 16).astype(np.float32)


class OnnxModel:
    """A network in an ONNX file that takes uint8 (n, height, width, 3), on one thread."""

    threshold = SSCD_THRESHOLD
    codes = SETTINGS["turns"]

    def __init__(self, path: str) -> None:
        import onnxruntime

        setup = onnxruntime.SessionOptions()
        setup.intra_op_num_threads = setup.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, setup, ["CPUExecutionProvider"])
        source = self._session.get_inputs()[0]
        if source.type != "tensor(uint8)":
            raise ModelError(f"{path}: takes {source.type}, not pictures of uint8")
        self._source = source.name

    def describe(self, data: bytes, codes: Sequence[int] = (0,)) -> Vectors:
        """Squash the picture to a square, and embed."""
        square = open_upright(data).resize((SSCD_SIDE, SSCD_SIDE), Image.Resampling.BICUBIC)
        pixels = np.asarray(square)
        rows = [
            self._session.run(None, {self._source: oriented(pixels, code)[None].copy()})[0][0]
            for code in codes
        ]
        return unit(np.stack(rows))


def unit(vectors: Vectors) -> Vectors:
    """Scale rows to unit length."""
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled.astype(np.float32)


def load_tested(argument: str) -> tuple[str, TestedModel]:
    """Load the model of the argument `NAME` or `NAME=WEIGHTS`; returns its name too."""
    name, _, weights = argument.partition("=")
    if name == "pdq":
        return name, Pdq()
    return name, OnnxModel(weights) if weights.endswith(".onnx") else VecsimModel(name, weights)


def open_upright(data: bytes) -> Image.Image:
    """Open a picture upright and on white, as RGB."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("RGBA", "LA", "P", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
