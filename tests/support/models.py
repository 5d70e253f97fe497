"""Names and helpers for tests of models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vecsim.records import Float32

MODEL = "mobilenet-0.75-224"
SMALL = "mobilenet-0.25-128"
ROOT = Path(__file__).resolve().parents[2]


def unit(vectors: Float32) -> Float32:
    """Return the rows of `vectors` scaled to length 1."""
    lengths: Float32 = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths
