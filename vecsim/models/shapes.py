"""What every embedder expects of its input, checked in one place."""

from __future__ import annotations

import numpy as np

from vecsim.errors import UsageError
from vecsim.records import Float32, Preparation, UInt8


def check_pixels(pixels: UInt8, preparation: Preparation) -> None:
    """Raise `UsageError` unless `pixels` is a uint8 batch of pictures prepared so."""
    size = preparation.size
    picture = (size, size) if preparation.mode == "L" else (size, size, 3)
    if pixels.dtype != np.uint8 or pixels.ndim == 0 or pixels.shape[1:] != picture:
        wanted = ", ".join(map(str, ("n", *picture)))
        raise UsageError(
            f"the model takes pixels of dtype uint8 and shape ({wanted}), "
            f"not {pixels.dtype} {pixels.shape}"
        )


def scale_pixels(pixels: UInt8) -> Float32:
    """Scale 0..255 to -1..1 in float32, as `keras.applications.mobilenet.preprocess_input` does."""
    scaled = pixels.astype(np.float32)
    scaled /= np.float32(127.5)
    scaled -= np.float32(1)
    return scaled
