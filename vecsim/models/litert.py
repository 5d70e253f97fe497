"""Runs models in LiteRT on a CPU: starts without TensorFlow, twice as fast as Keras."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.machine import usable_cores
from vecsim.models.family import ModelSpec
from vecsim.models.inference import check_pixels, quiet_stderr, scale_pixels
from vecsim.records import Float32, UInt8

MOST_THREADS = 16
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
        count = threads or min(usable_cores(), MOST_THREADS)
        self._make_runner = partial(_Runner, spec, flatbuffer)
        # The first is enough for one picture; others are made for the first larger batch.
        self._runners = [self._make_runner()]
        self._most_runners = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="vecsim-embed")
        self._turn = threading.Lock()

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), dtype=np.float32)
        with self._turn:
            while len(self._runners) < min(len(pixels), self._most_runners):
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
