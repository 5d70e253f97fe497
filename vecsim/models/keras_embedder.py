"""Runs models in Keras on TensorFlow: for GPUs, and as the reference for LiteRT's results."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.models.family import ModelSpec
from vecsim.models.inference import check_pixels, quiet_stderr, scale_pixels
from vecsim.records import Float32, UInt8

BATCH = 32


class KerasEmbedder:
    """Runs a Keras model in TensorFlow, on a GPU if TensorFlow has one.

    Every call of the model is of one shape, (32, size, size, 3), the last one filled up with
    zeros: one shape, one choice of kernels, so that a row does not depend on the batch size.
    Safe to call from many threads; calls take turns.
    """

    def __init__(self, spec: ModelSpec, build: Callable[[], Any], weights_sha256: str) -> None:
        """Take the Keras model that `build` returns; raises `ModelError` as `build` does."""
        self.fingerprint = spec.fingerprint(weights_sha256)
        self.preparation = spec.preparation
        self.threshold = spec.threshold
        self._turn = threading.Lock()
        size = spec.preparation.size
        with quiet_stderr():
            self._call = concrete_call(build(), BATCH)
            # The first call loads kernels, which prints messages on a GPU.
            self._call(np.zeros((BATCH, size, size, 3), np.float32))

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), dtype=np.float32)
        with self._turn:
            for start in range(0, len(pixels), BATCH):
                part = scale_pixels(pixels[start : start + BATCH])
                full = np.zeros((BATCH, *part.shape[1:]), dtype=np.float32)
                full[: len(part)] = part
                vectors[start : start + len(part)] = self._call(full).numpy()[: len(part)]
        return vectors


def import_tensorflow() -> Any:
    """Import TensorFlow without its messages, set so that a GPU computes what a CPU does."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # do not take all GPU memory
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_stderr():
        import tensorflow as tf

        # TensorFloat-32 keeps 10 bits of each factor: a GPU's vectors would be 1e-3 off.
        tf.config.experimental.enable_tensor_float_32_execution(False)
    return tf


def import_keras() -> Any:
    """Import Keras on TensorFlow, whatever the user's `keras.json` prefers.

    Raises `ModelError` if this process already runs Keras on something else.
    """
    import_tensorflow()
    with quiet_stderr():
        import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras was started with the backend {keras.backend.backend()!r}; "
            "vecsim needs KERAS_BACKEND=tensorflow"
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    return keras


def gpu_count() -> int:
    """Return how many GPUs TensorFlow sees; imports TensorFlow."""
    tf = import_tensorflow()
    with quiet_stderr():
        return len(tf.config.list_physical_devices("GPU"))


def concrete_call(model: Any, batch: int) -> Any:
    """Return the model as one TensorFlow function of float32 (batch, size, size, 3)."""
    tf = import_tensorflow()
    function = tf.function(
        lambda pixels: model(pixels, training=False),
        input_signature=[tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32)],
    )
    return function.get_concrete_function()
