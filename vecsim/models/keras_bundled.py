"""The bundled model as a Keras network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vecsim.models.keras_runtime import import_keras
from vecsim.models.registry import Spec

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def build_bundled(spec: Spec, weights: Path) -> Any:
    """float32 (n, size, size, 3) from -1 to 1 in, float32 (n, dim) out, not normalised.

    `weights` holds float16 arrays `conv.kernel`, `dw_1.kernel`, `pw_1.kernel`, ... `head.kernel`
    and their `.bias`, in Keras' layouts, batch normalisation folded in.
    """
    layers = import_keras().layers
    with np.load(weights) as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}

    def outputs(name: str) -> int:
        return len(arrays[f"{name}.bias"])

    size = spec.preparation.size
    inputs = layers.Input((size, size, 3), name="pictures")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    x = layers.Conv2D(outputs("conv"), 3, strides=2, name="conv")(x)
    x = layers.ReLU(6.0)(x)
    for block, stride in enumerate(STRIDES, start=1):
        if stride == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        padding = "same" if stride == 1 else "valid"
        x = layers.DepthwiseConv2D(3, strides=stride, padding=padding, name=f"dw_{block}")(x)
        x = layers.ReLU(6.0)(x)
        x = layers.Conv2D(outputs(f"pw_{block}"), 1, name=f"pw_{block}")(x)
        x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(outputs("head"), name="head")(x)
    model = import_keras().Model(inputs, x, name="vecsim_bundled")
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}.kernel"], arrays[f"{layer.name}.bias"]])
    return model
