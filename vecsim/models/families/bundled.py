"""`bundled`: the small MobileNet that is part of this package, for LiteRT and for Keras.

`training/` describes how the two files in `vecsim/models/data` were made. The weights derive from
those of Keras Applications (Apache License 2.0); `data/NOTICE` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models.family import Family, LoadOptions, ModelSpec
from vecsim.models.inference import runs_on_keras
from vecsim.protocols import Embedder
from vecsim.records import Preparation

WEIGHTS_SHA256 = "7c87c47a358309ef74e4edff243904c25f0c65f9a0424dc39dc206f5d381a93a"
"""SHA-256 of `bundled.weights.npz`; the flatbuffer is made from it. A test compares it."""

SPEC = ModelSpec(
    name="bundled",
    dim=256,
    preparation=Preparation(160, "smooth"),
    threshold=0.845,
    description="small MobileNet of our own, for edited copies; fast, no download",
    speed="fast",
    copies_found=0.653,
)

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


class BundledFamily:
    """The one model `bundled`."""

    name = "bundled"
    naming = "bundled"
    specs: Sequence[ModelSpec] = (SPEC,)

    def weights_place(self, spec: ModelSpec) -> str:
        """Return "built in": the weights are part of the package."""
        return "built in"

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Load it in LiteRT, or in Keras for a GPU; raises `ModelError` if given weights."""
        if options.weights is not None:
            raise ModelError(
                f"{spec.name} has weights of its own: it cannot take {options.weights}"
            )
        own = spec.fingerprint(WEIGHTS_SHA256)
        hint = None
        if options.expected is not None and options.expected.model == own.model:
            hint = Hint(Action.INSTALL_OTHER_VERSION)
        options.check_fingerprint(own, hint)
        if runs_on_keras(options.device):
            from vecsim.models.keras_embedder import KerasEmbedder

            return KerasEmbedder(spec, lambda: _build_packaged(spec), WEIGHTS_SHA256)
        from vecsim.models.litert import LiteRTEmbedder

        return LiteRTEmbedder(spec, read_flatbuffer(), WEIGHTS_SHA256, threads=options.threads)


def read_flatbuffer() -> bytes:
    """The LiteRT form: float32 (1, size, size, 3) from -1 to 1 in, float32 (1, dim) out."""
    from importlib.resources import files

    return (files("vecsim.models") / "data" / "bundled.tflite").read_bytes()


def _build_packaged(spec: ModelSpec) -> Any:
    """The Keras form with the weights of the package."""
    from importlib.resources import as_file, files

    with as_file(files("vecsim.models") / "data" / "bundled.weights.npz") as weights:
        return build_network(spec, Path(weights))


def build_network(spec: ModelSpec, weights: Path) -> Any:
    """Build the Keras form: float32 (n, size, size, 3) from -1 to 1 in, (n, dim) out, any length.

    `weights` holds float16 arrays `conv.kernel`, `dw_1.kernel`, `pw_1.kernel`, ... `head.kernel`
    and their `.bias`, in Keras' layouts, batch normalisation folded in.
    """
    from vecsim.models.keras_embedder import import_keras

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


BUNDLED: Family = BundledFamily()
