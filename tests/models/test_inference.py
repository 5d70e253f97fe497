"""What LiteRT and Keras share: scaling, the choice between them, silence on stderr."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

from vecsim.models.devices import library_for
from vecsim.models.inference import quiet_stderr, scale_pixels


def test_pixels_are_scaled_as_keras_scales_them_for_mobilenet() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    scaled = scale_pixels(pixels)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (-1.0, 1.0)
    assert np.array_equal(scaled, pixels.astype(np.float32) / np.float32(127.5) - np.float32(1))


def test_a_hidden_gpu_leaves_the_models_on_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert library_for("auto") == "litert"
    assert library_for("cpu") == "litert"
    assert library_for("keras-cpu") == "keras"
    assert library_for("torch-cpu") == "torch"


def test_stderr_is_silent_within_the_block_only(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"from C\n")
        warnings.warn("from Python", stacklevel=1)
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
