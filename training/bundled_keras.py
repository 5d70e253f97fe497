"""The bundled model as a Keras network, built from its weights file (float16 arrays in an .npz)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

SIZE = 160
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def build_keras(weights: Path) -> tf.keras.Model:
    """float32 [N, 160, 160, 3] scaled to -1..1 in, embeddings [N, 256] (not normalised) out.

    The file holds `conv.kernel`, `dw_1.kernel`, `pw_1.kernel`, ... `head.kernel` and their `.bias`,
    in Keras' layouts, batch normalisation folded in.
    """
    from tensorflow import keras

    with np.load(weights) as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    layers = keras.layers
    outputs = arrays["conv.bias"].shape[0]
    inputs = keras.Input((SIZE, SIZE, 3), name="pictures")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    x = layers.Conv2D(outputs, 3, strides=2, name="conv")(x)
    x = layers.ReLU(6.0)(x)
    for block, stride in enumerate(STRIDES, start=1):
        if stride == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        padding = "same" if stride == 1 else "valid"
        x = layers.DepthwiseConv2D(3, strides=stride, padding=padding, name=f"dw_{block}")(x)
        x = layers.ReLU(6.0)(x)
        x = layers.Conv2D(arrays[f"pw_{block}.bias"].shape[0], 1, name=f"pw_{block}")(x)
        x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(arrays["head.bias"].shape[0], name="head")(x)
    model = keras.Model(inputs, x, name="vecsim_bundled")
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}.kernel"], arrays[f"{layer.name}.bias"]])
    return model
