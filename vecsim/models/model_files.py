"""Models in files: ONNX, TFLite, Keras. None of them may hold code of its own.

Every run of a network takes as many pictures, one by default, so that a row does not depend on how
many come together.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import MissingExtraError, ModelError, UsageError
from vecsim.hints import Action, Hint
from vecsim.models.family import LoadOptions
from vecsim.models.file_settings import FileSettings, fitted, settings_of_fingerprint
from vecsim.models.inference import check_pixels, import_keras, quiet_stderr
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint, Float32, UInt8

Network = Callable[[Float32], Any]
"""A batch of n scaled pictures to one output: an array of the shape (n, dim), or (n, dim, 1, 1)."""

SAFE_KERAS = (3, 11, 3)
"""The first version whose `safe_mode` is known to keep all code of a file from running."""


class FileEmbedder:
    """Runs the network of a model file. Safe to call from many threads; calls take turns."""

    def __init__(
        self, model: str, content: bytes, settings: FileSettings, network: Network
    ) -> None:
        """Embed a black picture to learn `dim`; raises `ModelError` if that is no vector."""
        self.preparation = settings.preparation
        self.threshold = settings.threshold
        self._settings, self._network = settings, network
        self._turn = threading.Lock()
        self._batch = settings.batch or 1
        dim = self._run(np.zeros((1, *self.preparation.shape), np.uint8)).shape[1]
        sha256 = hashlib.sha256(content).hexdigest()
        self.fingerprint = Fingerprint(model, sha256, settings.text, dim)

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), np.float32)
        with self._turn:
            for start in range(0, len(pixels), self._batch):
                rows = slice(start, start + self._batch)
                vectors[rows] = self._run(pixels[rows])
        return vectors

    def _run(self, pixels: UInt8) -> Float32:
        """Embed up to a batch of pictures, filled up with black ones: float32 (n, dim)."""
        missing = self._batch - len(pixels)
        full = np.pad(pixels, [(0, missing), (0, 0), (0, 0), (0, 0)]) if missing else pixels
        result = np.asarray(self._network(self._settings.scale(full)), np.float32)
        shape = result.shape
        each = result.size // self._batch
        if shape[:1] != (self._batch,) or each not in shape[1:] or each < 2:
            raise ModelError(
                f"its output has the shape {shape} for {self._batch} pictures, and must be one "
                "vector for each."
            )
        return result.reshape(self._batch, -1)[: len(pixels)]


def load_model_file(
    model: str, options: LoadOptions, settings: FileSettings | None = None
) -> Embedder:
    """Load the file `options.weights`, of the format `model`: "onnx", "tflite" or "keras".

    `settings`: by default those of the fingerprint that is expected. Raises `ModelError` if the
    file is missing, damaged, holds code or is no model of pictures, `FingerprintError`,
    `MissingExtraError` (ONNX), `UsageError` if its settings are not known.
    """
    path = options.weights
    if path is None:
        raise ModelError(f"the model is a file (.{model}), which is not where it was.")
    if settings is None and options.expected is not None:
        settings = settings_of_fingerprint(options.expected)
    if settings is None:
        raise UsageError(f"{path}: say how pictures are prepared for it.")
    if options.device == "gpu" and model != "keras":
        raise UsageError(f"{path}: model files of this format run on the CPU.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
    if options.expected is not None:  # before anything of another file is loaded
        sha256 = hashlib.sha256(content).hexdigest()
        options.check_fingerprint(
            replace(options.expected, model=model, weights_sha256=sha256), Hint(Action.PASS_WEIGHTS)
        )
    load = {"onnx": _load_onnx, "tflite": _load_tflite, "keras": _load_keras}[model]
    try:
        shape, network = load(path, content, settings)
        embedder = FileEmbedder(model, content, fitted(settings, shape, str(path)), network)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message.removeprefix(f'{path}: ')}") from error
    options.check_fingerprint(embedder.fingerprint)
    return embedder


_Shape = tuple[int | None, ...]


def _load_onnx(path: Path, content: bytes, settings: FileSettings) -> tuple[_Shape, Network]:
    """Load an ONNX file. Weights in further files are refused: no fingerprint covers them."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: an ONNX file needs onnxruntime: pip install 'vecsim[onnx]'"
        ) from error
    setup = onnxruntime.SessionOptions()
    setup.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(content, setup, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes are not public
        raise ModelError(f"no ONNX model that can be run: {_line(error)}") from error
    source, outputs = session.get_inputs()[0], [each.name for each in session.get_outputs()]
    types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
    if len(session.get_inputs()) != 1 or source.type not in types:
        raise ModelError("it must have one input, of float32 or uint8.")
    _check_type(settings, types[source.type], quantised=False)
    output = _chosen(settings.output, outputs)
    shape = tuple(side if isinstance(side, int) else None for side in source.shape)

    def network(pictures: Float32) -> Any:
        return session.run([output], {source.name: pictures.astype(types[source.type])})[0]

    return shape, network


def _load_tflite(path: Path, content: bytes, settings: FileSettings) -> tuple[_Shape, Network]:
    """Load a TFLite file, with an input of float32 or, quantised or not, of eight bits."""
    with quiet_stderr():
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter: Any = Interpreter(model_content=content)
            source = interpreter.get_input_details()[0]
            shape = tuple(int(side) if side > 0 else None for side in source["shape_signature"])
            if shape[0] == 1:  # what converters write; others are possible
                shape = (None, *shape[1:])
            whole = fitted(settings, shape, str(path))
            side = (whole.size, whole.size)
            count = whole.batch or 1
            picture = (count, 3, *side) if whole.layout == "nchw" else (count, *side, 3)
            interpreter.resize_tensor_input(source["index"], picture)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"no TFLite model that can be run: {_line(error)}") from error
    _check_type(settings, source["dtype"], quantised=bool(source["quantization"][0]))
    found = {each["name"]: each for each in interpreter.get_output_details()}
    target = found[_chosen(settings.output, list(found))]

    def network(pictures: Float32) -> Any:
        interpreter.set_tensor(source["index"], _quantised(pictures, source))
        interpreter.invoke()
        return _numbers(interpreter.get_tensor(target["index"]), target)

    return shape, network


def _check_type(settings: FileSettings, type_: Any, *, quantised: bool) -> None:
    """Raise `ModelError` unless a network with an input of `type_` takes what `settings` scales."""
    if type_ not in (np.float32, np.uint8, np.int8) or (type_ == np.int8 and not quantised):
        raise ModelError(f"its input must be of float32 or uint8, not {np.dtype(type_).name}.")
    if type_ == np.uint8 and not quantised and settings.scaling != "0..255":
        raise ModelError("it takes pixels of eight bits as they are: set the scaling to 0..255.")


def _quantised(pictures: Float32, details: Any) -> Any:
    """Convert scaled pictures to the type of a tensor of TFLite, by its step and zero."""
    type_, (step, zero) = details["dtype"], details["quantization"]
    if type_ == np.float32:
        return pictures
    levels = np.rint(pictures / step + zero) if step else pictures
    return levels.clip(np.iinfo(type_).min, np.iinfo(type_).max).astype(type_)


def _numbers(values: Any, details: Any) -> Float32:
    """Convert the values of a tensor of TFLite to what they mean."""
    step, zero = details["quantization"]
    numbers: Float32 = values.astype(np.float32)
    return (numbers - np.float32(zero)) * np.float32(step) if step else numbers


def _load_keras(path: Path, content: bytes, settings: FileSettings) -> tuple[_Shape, Network]:
    """Load a `.keras` file in safe mode, which runs no code that the file holds."""
    keras = import_keras()
    numbers = (part for part in keras.__version__.split(".")[:3])
    if tuple(int(part) if part.isdigit() else 0 for part in numbers) < SAFE_KERAS:
        raise ModelError(
            f"Keras {keras.__version__} may run code of a model file: use "
            f"{'.'.join(map(str, SAFE_KERAS))} or newer."
        )
    try:
        with quiet_stderr():
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of any kind for a file that it cannot load
        if "ambda" in str(error):
            raise ModelError(
                "holds a Lambda layer, which is code: vecsim never runs the code of a model file. "
                "Save the model with a layer of Keras instead."
            ) from error
        raise ModelError(f"no Keras model that can be loaded: {_line(error)}") from error
    if settings.output:
        model = keras.Model(model.inputs, model.get_layer(settings.output).output)
    if not isinstance(model.input_shape, tuple):
        raise ModelError("it must have one input.")

    def network(pictures: Float32) -> Any:
        return model(pictures, training=False).numpy()

    return tuple(model.input_shape), network


def _chosen(name: str, outputs: list[str]) -> str:
    """Return the output called `name`, by default the first. Raises `ModelError`."""
    if name and name not in outputs:
        raise ModelError(f"it has no output {name!r}: there are {', '.join(outputs)}.")
    return name or outputs[0]


def _line(error: Exception) -> str:
    """Return an error of a library in one line."""
    return " ".join(str(error).split())[:300]
