"""Runs networks: in LiteRT on a CPU, in Keras on TensorFlow on a GPU.

LiteRT starts without TensorFlow and is twice as fast on a CPU. Keras is for GPUs, and is the
reference for LiteRT's results. Neither library is imported before a model needs it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import ModelError, UsageError
from vecsim.machine import usable_cores
from vecsim.models.family import ModelSpec
from vecsim.protocols import Preparation
from vecsim.records import Float32, UInt8

NO_TENSORFLOW = (
    "TensorFlow is not installed: only MobileNet (once, to convert its weights), models in Keras "
    "files, and GPUs without PyTorch need it. Where it has packages for this Python: "
    "pip install tensorflow."
)


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


def has_tensorflow() -> bool:
    """Return whether TensorFlow is installed, without importing it."""
    return importlib.util.find_spec("tensorflow") is not None


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


# -- LiteRT -----------------------------------------------------------------------------------

MAX_THREADS = 16
"""Each thread has its own copy of the weights; with more threads, decoding is the slower part."""


class LiteRTEmbedder:
    """Runs a flatbuffer whose input is one picture, with one interpreter for each thread.

    An interpreter never sees a batch, so a row cannot depend on the batch it came in: bit-equality
    over batch sizes and thread counts holds by construction. Measured against batches of 2 to 64
    pictures inside one interpreter, this is as fast or faster.
    Safe to call from many threads; calls take turns.
    """

    def __init__(
        self, spec: ModelSpec, flatbuffer: bytes, weights_sha256: str, *, threads: int | None = None
    ) -> None:
        """Load `flatbuffer`; raises `ModelError` if it is damaged or not of this model."""
        self.fingerprint = spec.fingerprint(weights_sha256)
        self.preparation = spec.preparation
        self.threshold = spec.threshold
        count = threads or min(usable_cores(), MAX_THREADS)
        self._make_runner = partial(_Runner, spec, flatbuffer)
        # The first is enough for one picture; others are made for the first larger batch.
        self._runners = [self._make_runner()]
        self._max_runners = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="vecsim-embed")
        self._turn = threading.Lock()

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), dtype=np.float32)
        with self._turn:
            while len(self._runners) < min(len(pixels), self._max_runners):
                self._runners.append(self._make_runner())
            rows = iter(range(len(pixels)))
            jobs = [
                self._pool.submit(runner.run_rows, rows, pixels, vectors)
                for runner in self._runners[: len(pixels)]
            ]
            try:
                for job in jobs:
                    job.result()
            finally:  # after Ctrl-C, leave no rows and no running job for the next call
                for _ in rows:
                    pass
                wait(jobs)
        return vectors


class _Runner:
    """One LiteRT interpreter on one thread."""

    def __init__(self, spec: ModelSpec, flatbuffer: bytes) -> None:
        with quiet_stderr():  # "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
            from ai_edge_litert.interpreter import Interpreter

            try:
                interpreter: Any = Interpreter(model_content=flatbuffer, num_threads=1)
                interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"the converted model {spec.name} is damaged: {error}") from error
        source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        size = spec.preparation.size
        found = (tuple(source["shape"]), tuple(target["shape"]))
        if found != ((1, size, size, 3), (1, spec.dim)):
            raise ModelError(f"the converted model is not {spec.name}: its shapes are {found}")
        self._interpreter = interpreter
        self._source, self._target = source["index"], target["index"]

    def run_rows(self, rows: Iterator[int], pixels: UInt8, vectors: Float32) -> None:
        """Embed `pixels[row]` into `vectors[row]` for each row that no other thread has taken."""
        for row in rows:
            self._interpreter.set_tensor(self._source, scale_pixels(pixels[row : row + 1]))
            self._interpreter.invoke()  # releases the GIL
            vectors[row] = self._interpreter.get_tensor(self._target)[0]


# -- Keras ------------------------------------------------------------------------------------

KERAS_BATCH = 32


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
            self._call = concrete_call(build(), KERAS_BATCH)
            # The first call loads kernels, which prints messages on a GPU.
            self._call(np.zeros((KERAS_BATCH, size, size, 3), np.float32))

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), dtype=np.float32)
        with self._turn:
            for start in range(0, len(pixels), KERAS_BATCH):
                part = scale_pixels(pixels[start : start + KERAS_BATCH])
                full = np.zeros((KERAS_BATCH, *part.shape[1:]), dtype=np.float32)
                full[: len(part)] = part
                vectors[start : start + len(part)] = self._call(full).numpy()[: len(part)]
        return vectors


def import_tensorflow() -> Any:
    """Import TensorFlow without its messages, set so that a GPU computes what a CPU does.

    Raises `ModelError` if it is not installed.
    """
    if not has_tensorflow():
        raise ModelError(NO_TENSORFLOW)
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
