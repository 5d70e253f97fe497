"""The model in the box: its two files in the package, one function in two forms.

`training/` says how they were made. The weights derive from those of Keras Applications
(Apache License 2.0); `data/NOTICE` says so.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from vecsim.models.registry import Spec

WEIGHTS_SHA256 = "7c87c47a358309ef74e4edff243904c25f0c65f9a0424dc39dc206f5d381a93a"
"""Of `bundled.weights.npz`; the flatbuffer is made from it. A test compares it with the file."""

_DATA = files("vecsim.models") / "data"


def read_flatbuffer() -> bytes:
    """The LiteRT form: float32 (1, size, size, 3) from -1 to 1 in, float32 (1, dim) out."""
    return (_DATA / "bundled.tflite").read_bytes()


def build_keras(spec: Spec) -> Any:
    """The Keras form, for GPUs."""
    from vecsim.models.keras_bundled import build_bundled

    with as_file(_DATA / "bundled.weights.npz") as weights:
        return build_bundled(spec, Path(weights))
