"""`mobilenet`: Keras' MobileNet with ImageNet weights, in 4 widths, 4 sizes and 2 kinds of resize.

On a CPU it runs in LiteRT, converted from the Keras weights once (`vecsim.models.conversion`); on a
GPU in PyTorch or Keras. `vecsim.models.keras_weights` finds, checks and downloads the weights.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models import conversion, keras_weights
from vecsim.models.devices import library_for
from vecsim.models.family import Family, LoadOptions, ModelSpec
from vecsim.models.inference import (
    KerasEmbedder,
    LiteRTEmbedder,
    import_keras,
    scale_pixels,
)
from vecsim.models.keras_weights import ALPHAS, SIZES
from vecsim.models.torch_network import STRIDES, Layer, Network, TorchEmbedder
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Float32

# The predecessor advises 0.84 to 0.85; the middle is what its users know.
THRESHOLD = 0.845
EPSILON = 1e-3  # of the batch normalisations of Keras' MobileNet

COPIES_FOUND = {"mobilenet-0.75-224": 0.484, "mobilenet-0.75-224-smooth": 0.568}
"""Share of edited copies found at 99.9 % precision: `benchmarks/quality.py`, as committed there."""


def model_name(alpha: str, size: int, *, smooth: bool = False) -> str:
    """Return the canonical name of a MobileNet: the widest and largest one is just `mobilenet`."""
    variant = "" if (alpha, size) == ("1.0", 224) else f"-{alpha}-{size}"
    return f"mobilenet{variant}" + ("-smooth" if smooth else "")


def _spec(alpha: str, size: int, *, smooth: bool) -> ModelSpec:
    name = model_name(alpha, size, smooth=smooth)
    pixels = "antialiased" if smooth else "nearest-neighbour"
    full_name = f"mobilenet-{alpha}-{size}" + ("-smooth" if smooth else "")
    millions = 569 * float(alpha) ** 2 * (size / 224) ** 2  # multiplications
    return ModelSpec(
        name=name,
        dim=int(1024 * float(alpha)),
        preparation=Preparation(size, "smooth" if smooth else "nearest"),
        threshold=THRESHOLD,
        description=f"Keras MobileNet, ImageNet weights, width {alpha}, {pixels} resize",
        speed="fast" if millions <= 150 else "medium" if millions <= 350 else "slow",
        copies_found=COPIES_FOUND.get(name),
        aliases=() if full_name == name else (full_name,),
    )


# The largest first: `mobilenet` and `mobilenet-smooth` head the list.
SPECS = tuple(
    _spec(alpha, size, smooth=smooth)
    for alpha in reversed(ALPHAS)
    for size in reversed(SIZES)
    for smooth in (False, True)
)


class MobileNetFamily:
    """All MobileNets of Keras Applications."""

    name = "mobilenet"
    naming = (
        "mobilenet, mobilenet-smooth, mobilenet-ALPHA-SIZE and mobilenet-ALPHA-SIZE-smooth "
        f"(ALPHA {', '.join(ALPHAS)}; SIZE {', '.join(map(str, SIZES))})"
    )
    specs: Sequence[ModelSpec] = SPECS

    def weights_place(self, spec: ModelSpec) -> str:
        """Return the weights file in Keras' cache, or "download" where it is not there yet."""
        path = weights_file(spec)
        return str(path) if os.path.exists(path) else "download"

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Load it in LiteRT, or in PyTorch or Keras for a GPU.

        Raises `ModelError` if the weights are missing or of another model, `FingerprintError`.
        """
        library = library_for(options.device)
        if library == "litert":
            return _load_litert(spec, options)
        found = _find_weights(spec, options)
        if library == "keras":
            return KerasEmbedder(spec, lambda: build_mobilenet(spec, str(found.path)), found.sha256)
        return TorchEmbedder(spec, torch_network(spec, found.path), found.sha256, options.device)


def build_mobilenet(spec: ModelSpec, weights: str | None) -> Any:
    """Build MobileNet in Keras without its classifier, averaging over the picture: (n, dim).

    `weights`: a file, "imagenet" (Keras' own loader, cache and download) or None (random).
    Raises `ModelError` if the weights do not fit.
    """
    keras = import_keras()
    size = spec.preparation.size
    try:
        return keras.applications.MobileNet(
            input_shape=(size, size, 3),
            alpha=_alpha(spec),
            include_top=False,
            pooling="avg",
            weights=weights,
        )
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"the weights {weights} do not fit {spec.name}: {error}") from error


def torch_network(spec: ModelSpec, weights: Path) -> Network:
    """Return the network of a weights file for PyTorch, its normalisations in its kernels.

    Raises `ModelError` if the weights do not fit.
    """
    import h5py

    names = ["conv1"]
    for block in range(1, len(STRIDES) + 1):
        names += [f"conv_dw_{block}", f"conv_pw_{block}"]
    try:
        with h5py.File(weights, "r") as file:
            layers = [_torch_layer(*_stored(file, *each)) for each in enumerate(names)]
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"the weights {weights} do not fit {spec.name}: {error}") from error
    table = scale_pixels(np.arange(256, dtype=np.uint8))
    return Network(table, layers, lambda x: x.clamp(0, 6), lambda x: x.mean(dim=(1, 2)))


def _stored(file: Any, place: int, name: str) -> tuple[Float32, list[Float32]]:
    """Read the kernel of a convolution, and gamma, beta, mean and variance of what follows it.

    `place`: which convolution it is, from 0. Files of current Keras number layers of each kind.
    """
    if "layers" in file:

        def numbered(kind: str, number: int) -> Any:
            return file[f"layers/{kind}{f'_{number}' if number else ''}/vars"]

        kernel = numbered("depthwise_conv2d" if "_dw_" in name else "conv2d", place // 2)["0"]
        normalisation = numbered("batch_normalization", place)
        four = [normalisation[str(number)] for number in range(4)]
    else:
        (kernel,) = file[f"{name}/{name}"].values()  # its own name differs between versions
        group = file[f"{name}_bn/{name}_bn"]
        named = {each.removesuffix(":0"): group[each] for each in group}
        four = [named[each] for each in ("gamma", "beta", "moving_mean", "moving_variance")]
    return np.asarray(kernel, np.float32), [np.asarray(each, np.float32) for each in four]


def _torch_layer(kernel: Float32, normalisation: list[Float32]) -> Layer:
    """Return a convolution that does the normalisation after it as well."""
    gamma, beta, mean, variance = (numbers.astype(np.float64) for numbers in normalisation)
    factor = gamma / np.sqrt(variance + EPSILON)
    by_channel = kernel.shape[3] == 1
    folded = kernel * factor.reshape((-1, 1) if by_channel else (1, -1))
    return Layer(folded.astype(np.float32), (beta - mean * factor).astype(np.float32))


def model_of_weights(path: Path, *, smooth: bool) -> str:
    """Name the model whose weights a file holds: its width, its size (224 unless its name says).

    Raises `ModelError` if it holds none.
    """
    alpha, _ = keras_weights.describe_weights(path)
    return model_name(str(alpha), keras_weights.size_in_name(path) or 224, smooth=smooth)


def weights_file(spec: ModelSpec) -> Path:
    """Return where Keras keeps the ImageNet weights of `spec`; the file need not exist."""
    return keras_weights.cache_file(_alpha(spec), spec.preparation.size)


def _alpha(spec: ModelSpec) -> float:
    """Return the width of a MobileNet, 1.0 for 1024 numbers a picture."""
    return spec.dim / 1024


@dataclass(frozen=True, slots=True)
class _Weights:
    """A weights file that fits its model. `argument` is what Keras is given for it."""

    path: Path
    argument: str
    sha256: str


def _load_litert(spec: ModelSpec, options: LoadOptions) -> Embedder:
    if options.weights is None and options.expected is not None:
        # An index made with a weights file opens without it once the file has been converted.
        sha256 = options.expected.weights_sha256
        options.check_fingerprint(spec.fingerprint(sha256))
        embedder = _load_converted(spec, sha256, options.threads)
        if embedder is not None:
            return embedder
    found = _find_weights(spec, options)
    embedder = _load_converted(spec, found.sha256, options.threads)
    if embedder is not None:
        return embedder
    flatbuffer = conversion.convert(spec, found.argument)
    conversion.write_cached(spec, found.sha256, flatbuffer)
    return LiteRTEmbedder(spec, flatbuffer, found.sha256, threads=options.threads)


def _load_converted(spec: ModelSpec, weights_sha256: str, threads: int | None) -> Embedder | None:
    """Return the model from vecsim's cache; None if it is missing or damaged (then it is made)."""
    flatbuffer = conversion.read_cached(spec, weights_sha256)
    if flatbuffer is None:
        return None
    try:
        return LiteRTEmbedder(spec, flatbuffer, weights_sha256, threads=threads)
    except ModelError:
        return None


def _find_weights(spec: ModelSpec, options: LoadOptions) -> _Weights:
    """Return the weights file of a MobileNet: given, or in Keras' cache, where it is downloaded.

    Raises `ModelError` if it is missing or not of `spec`, `FingerprintError` if not as expected.
    """
    given, alpha, size = options.weights, _alpha(spec), spec.preparation.size
    path = given or weights_file(spec)
    if given is None and not os.path.exists(path):
        _download(spec, options)
    try:
        keras_weights.check_weights(path, spec.name, alpha, size)
    except ModelError as error:
        if given is not None:
            raise
        message = f"{error.message.rstrip('.')}."
        raise ModelError(message, hint=Hint(Action.DELETE_WEIGHTS)) from error
    sha256 = keras_weights.file_sha256(path)
    if given is None:
        keras_weights.check_pinned(path, sha256)
    _check_fingerprint(spec, sha256, options)
    # Keras finds its own files only in a folder that it may write.
    by_keras = given is None and os.access(keras_weights.keras_home(), os.W_OK)
    return _Weights(path, "imagenet" if by_keras else str(path), sha256)


def _check_fingerprint(spec: ModelSpec, sha256: str, options: LoadOptions) -> None:
    """Raise `FingerprintError` unless the model is the one expected, if one is."""
    own, hint = spec.fingerprint(sha256), None
    if options.expected is not None and spec.fingerprint(options.expected.weights_sha256) == (
        options.expected
    ):  # only the weights differ
        hint = Hint(Action.PASS_WEIGHTS)
    options.check_fingerprint(own, hint)


def _download(spec: ModelSpec, options: LoadOptions) -> None:
    """Download the weights into Keras' cache, and keep what they are converted to.

    Raises `ModelError` if they cannot be downloaded, `StorageError` if they cannot be kept.
    """
    expected = options.expected.weights_sha256 if options.expected else ""

    def download(home: Path) -> bytes:
        return conversion.convert(spec, "imagenet", home=home)

    flatbuffer, sha256 = keras_weights.download(
        spec.name, _alpha(spec), spec.preparation.size, download, expected
    )
    keras_weights.check_pinned(weights_file(spec), sha256)
    conversion.write_cached(spec, sha256, flatbuffer)


MOBILENET: Family = MobileNetFamily()
