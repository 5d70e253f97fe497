"""What LiteRT and Keras have in common: check of the input, scaling, choice, silence on stderr."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vecsim.errors import ModelError, UsageError
from vecsim.hints import Action, Hint
from vecsim.records import Float32, Preparation, UInt8


def check_pixels(pixels: UInt8, preparation: Preparation) -> None:
    """Raise `UsageError` unless `pixels` is a uint8 batch of pictures prepared as `preparation`."""
    picture = preparation.shape
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


def runs_on_keras(device: str) -> bool:
    """Tell whether a model on `device` runs on Keras and TensorFlow (else LiteRT).

    Raises `ModelError` if `device` is "gpu" and TensorFlow sees none.
    """
    keras = device == "keras-cpu" or (device in ("auto", "gpu") and _sees_gpu())
    if device == "gpu" and not keras:
        raise ModelError("TensorFlow sees no GPU on this machine.", hint=Hint(Action.USE_CPU))
    return keras


def has_gpu_device() -> bool:
    """Whether the machine shows an NVIDIA GPU, whether or not TensorFlow can use it."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _sees_gpu() -> bool:
    """Whether TensorFlow sees a GPU; it is imported only where the machine shows one."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not has_gpu_device():
        return False
    from vecsim.models.keras_embedder import gpu_count

    return gpu_count() > 0


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard what is written to file descriptor 2, and Python's warnings.

    TensorFlow and LiteRT log from C++ before any setting of theirs is read (TF_CPP_MIN_LOG_LEVEL=3
    leaves four lines, LiteRT has no setting at all). Errors still arrive as exceptions. The
    descriptor belongs to the whole process, so wrap single calls, never a run.
    """
    _flush_stderr()
    try:
        kept = os.dup(2)
    except OSError:  # a service may have closed it: then there is nothing to silence
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _flush_stderr()
        os.dup2(kept, 2)
        os.close(kept)


def _flush_stderr() -> None:
    """Write out what Python has buffered for stderr, before the descriptor changes."""
    if sys.stderr is not None:  # `pythonw` has none
        sys.stderr.flush()
