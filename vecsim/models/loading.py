"""From a model's name and what lies on this machine to an embedder."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from vecsim.errors import FingerprintError, ModelError, StorageError, UsageError
from vecsim.files import move_into_place
from vecsim.models import converted
from vecsim.models.network import can_download
from vecsim.models.registry import Spec
from vecsim.models.weights import (
    check_weights,
    file_sha256,
    keras_file,
    keras_home,
    keras_url,
    missing_weights,
)
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint

DEVICES = ("auto", "cpu", "gpu", "keras-cpu")

DOWNLOAD_SECONDS = 15.0
"""How long a named model waits for the network: longer than `auto`, which has a way out."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file that fits its model. `argument` is what Keras is given for it."""

    path: Path
    argument: str
    sha256: str


def load(
    spec: Spec,
    weights: Path | None,
    device: str,
    threads: int | None,
    expected: Fingerprint | None,
) -> Embedder:
    """Load a model; see `vecsim.models.load_embedder`."""
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}; known are {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    if spec.kind == "phash":
        return _load_phash(spec, weights, expected)
    keras = device == "keras-cpu" or (device in ("auto", "gpu") and _sees_gpu())
    if device == "gpu" and not keras:
        raise ModelError("TensorFlow sees no GPU on this machine; --device cpu does without")
    if spec.kind == "bundled":
        return _load_bundled(spec, weights, keras, threads, expected)
    if keras:
        return _load_keras(spec, weights, expected)
    return _load_litert(spec, weights, threads, expected)


def _load_phash(spec: Spec, weights: Path | None, expected: Fingerprint | None) -> Embedder:
    from vecsim.models.phash import PhashEmbedder

    if weights is not None:
        raise ModelError(f"{spec.name} has no weights: it cannot take {weights}")
    _check_fingerprint(spec.fingerprint(), expected)
    return PhashEmbedder(spec)


def _load_bundled(
    spec: Spec, weights: Path | None, keras: bool, threads: int | None, expected: Fingerprint | None
) -> Embedder:
    from vecsim.models import bundled

    if weights is not None:
        raise ModelError(f"{spec.name} brings its own weights: it cannot take {weights}")
    _check_fingerprint(spec.fingerprint(bundled.WEIGHTS_SHA256), expected)
    if keras:
        from vecsim.models.keras_runtime import KerasEmbedder

        return KerasEmbedder(spec, lambda: bundled.build_keras(spec), bundled.WEIGHTS_SHA256)
    from vecsim.models.litert import LiteRTEmbedder

    flatbuffer = bundled.read_flatbuffer()
    return LiteRTEmbedder(spec, flatbuffer, bundled.WEIGHTS_SHA256, threads=threads)


def _load_keras(spec: Spec, weights: Path | None, expected: Fingerprint | None) -> Embedder:
    from vecsim.models.keras_mobilenet import build_mobilenet
    from vecsim.models.keras_runtime import KerasEmbedder

    found = _find_weights(spec, weights, expected)
    return KerasEmbedder(spec, lambda: build_mobilenet(spec, str(found.path)), found.sha256)


def _load_litert(
    spec: Spec, weights: Path | None, threads: int | None, expected: Fingerprint | None
) -> Embedder:
    from vecsim.models.litert import LiteRTEmbedder

    if weights is None and expected is not None:
        # An index made with a weights file opens without it once the file has been converted.
        _check_fingerprint(spec.fingerprint(expected.weights_sha256), expected)
        embedder = _load_cached(spec, expected.weights_sha256, threads)
        if embedder is not None:
            return embedder
    found = _find_weights(spec, weights, expected)
    embedder = _load_cached(spec, found.sha256, threads)
    if embedder is not None:
        return embedder
    flatbuffer = converted.convert(spec, found.argument)
    converted.write_cached(spec, found.sha256, flatbuffer)
    return LiteRTEmbedder(spec, flatbuffer, found.sha256, threads=threads)


def _load_cached(spec: Spec, weights_sha256: str, threads: int | None) -> Embedder | None:
    """The model from vecsim's cache; None if it is not there or damaged (it is then made anew)."""
    from vecsim.models.litert import LiteRTEmbedder

    flatbuffer = converted.read_cached(spec, weights_sha256)
    if flatbuffer is None:
        return None
    try:
        return LiteRTEmbedder(spec, flatbuffer, weights_sha256, threads=threads)
    except ModelError:
        return None


def _find_weights(spec: Spec, given: Path | None, expected: Fingerprint | None) -> Weights:
    """The weights file of a MobileNet: given, or in Keras' cache, where Keras may download it to.

    Raises `ModelError` if it is missing or not of `spec`, `FingerprintError` if not as `expected`.
    """
    path = given or keras_file(spec)
    if given is None and not os.path.exists(path):
        _download(spec, expected)
    try:
        check_weights(spec, path)
    except ModelError as error:
        if given is not None:
            raise
        raise ModelError(f"{error}. Delete it, and it is downloaded again") from error
    sha256 = file_sha256(path)
    _check_fingerprint(spec.fingerprint(sha256), expected)
    # Keras finds its own files only in a folder that it may write.
    by_keras = given is None and os.access(keras_home(), os.W_OK)
    return Weights(path, "imagenet" if by_keras else str(path), sha256)


def _download(spec: Spec, expected: Fingerprint | None) -> None:
    """Let Keras download the weights into its cache; the same process converts them.

    Keras writes as it downloads, so it is given a folder of its own beside: killed half-way, or met
    by a second process, it leaves no cut file where weights are looked for.
    """
    sha256 = expected.weights_sha256 if expected else ""
    if not can_download(keras_url(spec), DOWNLOAD_SECONDS):
        raise missing_weights(spec, "they cannot be downloaded from here", sha256=sha256)
    target, home = keras_file(spec), keras_home()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix="vecsim-") as folder:
            flatbuffer = converted.convert(spec, "imagenet", home=Path(folder))
            move_into_place(Path(folder, "models", target.name), target)
    except OSError as error:
        raise StorageError(
            f"cannot keep {target.name} in Keras' folder {home} ({error.strerror}); "
            "KERAS_HOME=FOLDER names another one"
        ) from error
    except ModelError as error:
        raise missing_weights(spec, str(error), sha256=sha256) from error
    converted.write_cached(spec, file_sha256(target), flatbuffer)


def _check_fingerprint(own: Fingerprint, expected: Fingerprint | None) -> None:
    """Raise `FingerprintError` unless the model is the one that an index was made with."""
    if expected is None or own == expected:
        return
    if expected.model == own.model == "bundled":
        way_out = "install the version of vecsim that the index was made with, or build a new one"
    elif replace(own, weights_sha256=expected.weights_sha256) == expected:
        way_out = "pass the weights file that the index was made with (--weights FILE)"
    else:
        way_out = "an index always uses its own model; build a new one for another"
    raise FingerprintError(
        f"the index was made with {expected}, but this model is {own}; their vectors cannot be "
        f"compared: {way_out}"
    )


def _sees_gpu() -> bool:
    """Whether TensorFlow sees a GPU; it is imported only where there is a trace of one."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        return False
    from vecsim.models.keras_runtime import gpu_count

    return gpu_count() > 0
