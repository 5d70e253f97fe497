"""Where MobileNet's weights are, and whether a file holds the ones a model needs."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from vecsim.errors import ModelError
from vecsim.models.registry import (
    ALPHAS,
    AUTO_MODEL,
    OFFLINE_MODEL,
    SIZES,
    Spec,
    find_spec,
    mobilenet_name,
)

DOWNLOAD_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"


def keras_file_name(spec: Spec) -> str:
    """The name Keras gives the ImageNet weights: "mobilenet_7_5_224_tf_no_top.h5"."""
    width = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}[spec.alpha]
    return f"mobilenet_{width}_{spec.preparation.size}_tf_no_top.h5"


def keras_url(spec: Spec) -> str:
    """Where Keras downloads the ImageNet weights from."""
    return DOWNLOAD_FOLDER + keras_file_name(spec)


def keras_home() -> Path:
    """Keras' own folder: `$KERAS_HOME`, else `~/.keras`; in `/tmp` for users without a home."""
    chosen = os.environ.get("KERAS_HOME")
    if chosen:
        return Path(chosen).expanduser()
    folder = Path("~/.keras").expanduser()
    return folder if folder.exists() or os.access(folder.parent, os.W_OK) else Path("/tmp/.keras")


def keras_file(spec: Spec) -> Path:
    """Where Keras keeps the ImageNet weights; the file need not be there."""
    return keras_home() / "models" / keras_file_name(spec)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file; raises `ModelError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the weights file {path}: {error.strerror}") from error


def check_weights(spec: Spec, path: Path) -> None:
    """Raise `ModelError` unless `path` holds a MobileNet of `spec`'s width, and size if named."""
    holds = describe_weights(path)
    wanted = f"{spec.name} needs MobileNet of width {spec.alpha} without its classifier"
    if holds != (spec.alpha, False):
        alpha, has_top = holds
        top = "with its classifier" if has_top else "without its classifier"
        raise ModelError(f"{path} holds MobileNet of width {alpha} {top}; {wanted}")
    size = _size_in_name(path)
    if size not in (None, spec.preparation.size):
        raise ModelError(
            f"{path} holds, by its name, weights trained at {size} pixels; {wanted}, trained at "
            f"{spec.preparation.size}. Take another model or, if the name is wrong, rename the file"
        )


def describe_weights(path: Path) -> tuple[float, bool]:
    """Return (width, has a classifier) of the MobileNet whose Keras weights `path` holds.

    Raises `ModelError` if the file cannot be read, is no HDF5 file, or is of something else.
    """
    shapes = _kernel_shapes(path)
    for alpha in map(float, ALPHAS):
        last = int(1024 * alpha)
        if (3, 3, 3, int(32 * alpha)) in shapes and (1, 1, last, last) in shapes:
            return alpha, (1, 1, last, 1000) in shapes
    raise ModelError(
        f"{path} is an HDF5 file, but not of Keras' MobileNet weights; expected is a file like "
        "mobilenet_1_0_224_tf_no_top.h5"
    )


def model_of_weights(path: Path) -> str:
    """The model `auto` takes for a weights file: its width, its size (224 unless its name says)."""
    alpha, _ = describe_weights(path)
    smooth = find_spec(AUTO_MODEL).preparation.resample == "smooth"
    return mobilenet_name(str(alpha), _size_in_name(path) or 224, smooth=smooth)


def missing_weights(spec: Spec, reason: str, *, sha256: str = "") -> ModelError:
    """The error for weights that are nowhere: which file, where to put it, what else to do."""
    which = f" (SHA-256 {sha256})" if sha256 else ""
    path = keras_file(spec)
    return ModelError(
        f"the weights of {spec.name} are missing{which}: {reason}. Get {path.name} from "
        f"{keras_url(spec)}, put it into {path.parent} or pass it with --weights FILE; "
        f"or use --model {OFFLINE_MODEL}, which needs no download"
    )


def _kernel_shapes(path: Path) -> set[tuple[int, ...]]:
    """The shapes of all four-dimensional arrays in an HDF5 file."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"cannot read the weights file {path}: {error.strerror}") from error
    import h5py

    shapes: set[tuple[int, ...]] = set()

    def note(_name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 4:
            shapes.add(item.shape)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{path} is not a Keras .h5 weights file, or was cut short "
            f"({path.stat().st_size} bytes); expected is a file like mobilenet_1_0_224_tf_no_top.h5"
        ) from error
    return shapes


def _size_in_name(path: Path) -> int | None:
    """The picture size that a file named as Keras names it was trained at."""
    found = re.match(r"mobilenet_\d_\d_(\d+)_tf", path.name)
    return int(found[1]) if found and int(found[1]) in SIZES else None
