"""`bundled-3`, the small copy detector that is part of this package, and the ones before it.

`training/` describes how the flatbuffer in `vecsim/models/data` was made; it is the model. On a GPU
the same integers are computed by PyTorch or Keras, held in float32. Inputs, kernels and activations
are whole numbers, and sums of their products stay below 2 ** 24, so that float32 holds them
exactly, in any order of summation. Rounding to the next layer's integers is the same product and
rounding as LiteRT's. So every device computes the same integers; only the pooling and the
projection, which LiteRT too computes in float32, may round differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models.devices import library_for
from vecsim.models.family import Family, LoadOptions, ModelSpec
from vecsim.models.inference import (
    KerasEmbedder,
    LiteRTEmbedder,
    import_keras,
    quiet_stderr,
    scale_pixels,
)
from vecsim.models.torch_network import STRIDES, Layer, Network, TorchEmbedder
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Float32

FILE = "bundled-3.tflite"

WEIGHTS_SHA256 = "b560b1c753a9e95174c4aae5e1800b8813f2a6ce7f892aafdcbf834dfd447ccc"
"""SHA-256 of the flatbuffer, checked whenever it is read."""

SPEC = ModelSpec(
    name="bundled-3",
    dim=256,
    preparation=Preparation(160, "smooth", colours="srgb", ground="contrast", margins="trimmed"),
    threshold=0.84,
    description="small copy detector of our own, for edited copies; fast, no download",
    speed="fast",
    copies_found=0.884,
    # As many pairs of 9,983 photographs as 0.84 without: benchmarks/orientations.py.
    oriented_thresholds=(("mirror", 0.85), ("all", 0.85), ("parts", 0.865)),
    aliases=("bundled",),
)

FIRST_SPEC = ModelSpec(
    name="bundled",
    dim=256,
    preparation=Preparation(160, "smooth"),
    threshold=0.845,
    description="the first bundled model, of which only indexes exist",
)
SECOND_SPEC = replace(
    SPEC,
    name="bundled-2",
    threshold=0.84,
    description="the second bundled model, of which only indexes exist",
    oriented_thresholds=(("mirror", 0.846), ("all", 0.847), ("parts", 0.861)),
    aliases=(),
)
FIRST_SHA256 = "7c87c47a358309ef74e4edff243904c25f0c65f9a0424dc39dc206f5d381a93a"
SECOND_SHA256 = "cd60246b08262962486244cc21caf0880389e6b970329f916bbf80b1614830ea"

RETIRED = {
    spec.fingerprint(weights): spec
    for spec, weights in (
        (FIRST_SPEC, FIRST_SHA256),
        (SECOND_SPEC, SECOND_SHA256),
        (replace(SECOND_SPEC, preparation=Preparation(160, "smooth")), SECOND_SHA256),
    )
}
"""Models that earlier versions of this package held, by fingerprint: vecsim no longer has their
weights, only indexes of them exist. The first indexes of `bundled-2` kept margins."""

FIRST = FIRST_SPEC.fingerprint(FIRST_SHA256)


class BundledFamily:
    """The model `bundled-3`; `bundled` means the newest."""

    name = "bundled"
    naming = "bundled"
    specs: Sequence[ModelSpec] = (SPEC,)

    def weights_place(self, spec: ModelSpec) -> str:
        """Return "built in": the weights are part of the package."""
        return "built in"

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Load it: on a GPU in PyTorch or Keras, else in LiteRT. `ModelError` if given weights."""
        if options.weights is not None:
            raise ModelError(
                f"{spec.name} has weights of its own: it cannot take {options.weights}"
            )
        own = spec.fingerprint(WEIGHTS_SHA256)
        hint = None
        if options.expected is not None and options.expected.model == own.model:
            hint = Hint(Action.INSTALL_OTHER_VERSION)
        options.check_fingerprint(own, hint)
        flatbuffer = read_flatbuffer()
        library = library_for(options.device)
        if library == "torch":
            network = torch_network(flatbuffer)
            return TorchEmbedder(spec, network, WEIGHTS_SHA256, options.device)
        if library == "keras":
            return KerasEmbedder(spec, lambda: build_network(spec, flatbuffer), WEIGHTS_SHA256)
        return LiteRTEmbedder(spec, flatbuffer, WEIGHTS_SHA256, threads=options.threads)


def read_flatbuffer() -> bytes:
    """Return the flatbuffer: float32 (1, size, size, 3) in, float32 (1, dim) out, int8 between.

    Its input is from -1 to 1. Raises `ModelError` if the file is not that of this version.
    """
    from importlib.resources import files

    content = (files("vecsim.models") / "data" / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{FILE} in the package is damaged.", hint=Hint(Action.REINSTALL))
    return content


BUNDLED: Family = BundledFamily()


# -- the network in Keras ---------------------------------------------------------------------

INPUT_STEP = np.float32(2 / 255)
STEP = np.float32(6 / 255)  # of all activations, which are 0 to 255 times this


@dataclass(frozen=True, slots=True)
class Stored:
    """One constant of a flatbuffer: its numbers, and the size of a step of each channel, if any."""

    numbers: Float32
    steps: Float32


def build_network(spec: ModelSpec, flatbuffer: bytes) -> Any:
    """Build the Keras form of `flatbuffer`: float32 (n, size, size, 3) in, (n, dim) out.

    Input is from -1 to 1, output of any length.
    """
    keras = import_keras()
    ops = keras.ops
    stored = read_constants(flatbuffer)
    size = spec.preparation.size
    pictures = keras.layers.Input((size, size, 3), name="pictures")
    x = ops.clip(ops.round(pictures * (np.float32(1) / INPUT_STEP)), -128, 127)
    x = _convolve(keras, x, stored, "Conv2D", 0, 2)
    for block, stride in enumerate(STRIDES):
        suffix = f"_{block}" if block else ""
        x = _convolve(keras, x, stored, f"depthwise{suffix}", 2 * block + 1, stride)
        x = _convolve(keras, x, stored, f"Conv2D_{block + 1}", 2 * block + 2, 1)
    x = ops.maximum(x, 0) * STEP
    x = ops.power(ops.mean(x * x * x, axis=(1, 2)), np.float32(1 / 3))
    x = keras.layers.Dense(spec.dim, name="head")(x)
    model = keras.Model(pictures, x, name="vecsim_bundled")
    head, offset = stored["MatMul"].numbers, stored["add"].numbers
    model.get_layer("head").set_weights([head.T, offset])
    return model


def _convolve(
    keras: Any, x: Any, stored: dict[str, Stored], kernel: str, layer: int, stride: int
) -> Any:
    """Apply one convolution of the flatbuffer and round to steps of its output, 0 to 255."""
    numbers, bias = stored[kernel].numbers, stored[f"bias {layer}"].numbers
    if stride == 2:
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    padding = "valid" if stride == 2 else "same"
    if kernel.startswith("depthwise"):
        made = keras.layers.DepthwiseConv2D(3, strides=stride, padding=padding)
        numbers = numbers.transpose(1, 2, 3, 0)
    else:
        made = keras.layers.Conv2D(len(bias), numbers.shape[1], strides=stride, padding=padding)
        numbers = numbers.transpose(1, 2, 3, 0)
    x = made(x)
    made.set_weights([numbers, bias])
    source = INPUT_STEP if layer == 0 else STEP
    scale = source * stored[kernel].steps / STEP
    return keras.ops.clip(keras.ops.round(x * scale), 0, 255)


def torch_network(flatbuffer: bytes) -> Network:
    """Return the network of `flatbuffer` for PyTorch: the same integers as in Keras."""
    stored = read_constants(flatbuffer)
    names = ["Conv2D"]
    for block in range(len(STRIDES)):
        names += [f"depthwise{f'_{block}' if block else ''}", f"Conv2D_{block + 1}"]
    layers = []
    for number, name in enumerate(names):
        source = INPUT_STEP if number == 0 else STEP
        scale = source * stored[name].steps / STEP
        numbers = stored[name].numbers.transpose(1, 2, 3, 0)
        layers.append(Layer(numbers, stored[f"bias {number}"].numbers, scale))
    pixels = scale_pixels(np.arange(256, dtype=np.uint8))
    table = np.clip(np.round(pixels * (np.float32(1) / INPUT_STEP)), -128, 127)
    step = STEP.item()

    def finish(x: Any, head: Any, offset: Any) -> Any:
        x = x * step
        return (x * x * x).mean(dim=(1, 2)) ** (1 / 3) @ head + offset

    constants = [stored["MatMul"].numbers.T, stored["add"].numbers]
    return Network(table, layers, lambda x: x.round().clamp(0, 255), finish, constants, True)


def read_constants(flatbuffer: bytes) -> dict[str, Stored]:
    """Read kernels by their names and biases as "bias N" (N: number of the layer)."""
    with quiet_stderr():
        from ai_edge_litert.interpreter import Interpreter

        interpreter: Any = Interpreter(model_content=flatbuffer, num_threads=1)
        interpreter.allocate_tensors()
    found: dict[str, Stored] = {}
    for details in interpreter.get_tensor_details():
        name, steps = details["name"], details["quantization_parameters"]["scales"]
        if name.endswith("/bias"):
            layer = name.removesuffix("/bias").rpartition("BiasAdd")[2]
            name = f"bias {layer.lstrip('_') or 0}"
        elif not name.startswith(("Conv2D", "depthwise")) and name not in ("MatMul", "add"):
            continue
        numbers = interpreter.get_tensor(details["index"]).astype(np.float32)
        found[name] = Stored(numbers, np.asarray(steps, np.float32))
    return found
