"""Runs networks of MobileNet's shape on a GPU by PyTorch (`vecsim[gpu]`), many pictures at a time.

A convolution over one pixel is one product of matrices; a convolution of each channel by itself is
a sum of nine shifted products, which PyTorch's compiler fuses with the padding before it and the
activation after it. So each number of a layer is written and read once. Pixels travel as bytes and
are scaled on the GPU, from a table: divisions there may round otherwise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models.family import ModelSpec
from vecsim.models.inference import check_pixels, quiet_stderr
from vecsim.records import Float32, UInt8

BATCH = 256
BATCH_OF_TESTS = 2  # on a processor
AHEAD = 3  # batches that the GPU has before the vectors of the first are waited for
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of the convolutions of each channel by itself."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution: `kernel` (k, k, in, out), or (k, k, channels, 1) of each channel by itself.

    `bias` (out,) is added, the sum multiplied by `scale` (out,), unless it is None.
    """

    kernel: Float32
    bias: Float32
    scale: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """The first convolution, 13 times one by channel and one over pixels, activations between.

    `table` (256,): what each value of a pixel is to the first. `activate` of each layer's result;
    `finish`: from the last (n, h, w, c) to vectors, with `constants`. `exact_in_tf32`: whether all
    factors of products have 11 bits at most, so that TensorFloat-32 multiplies them exactly.
    """

    table: Float32
    layers: Sequence[Layer]
    activate: Callable[[Any], Any]
    finish: Callable[..., Any]
    constants: Sequence[Float32] = ()
    exact_in_tf32: bool = False


class TorchEmbedder:
    """Runs a network in PyTorch.

    Every call is of one shape, the last batch filled up with zeros: a row does not depend on the
    batch that it came in. Safe to call from many threads; calls take turns.
    """

    def __init__(self, spec: ModelSpec, network: Network, weights_sha256: str, device: str) -> None:
        """Compile the network for `device`: "gpu", or "torch-cpu", the same without a GPU, slowly.

        Raises `ModelError` if it does not run there.
        """
        import torch

        self.fingerprint = spec.fingerprint(weights_sha256)
        self.preparation = spec.preparation
        self.threshold = spec.threshold
        self._turn = threading.Lock()
        self._device = torch.device("cuda" if device == "gpu" else "cpu")
        self._batch = BATCH if device == "gpu" else BATCH_OF_TESTS
        try:
            self._run = self._started(network)
        except RuntimeError as error:
            raise _failure(error) from error

    def _started(self, network: Network) -> Callable[[Any], Any]:
        """Return the network after its first call, compiled where PyTorch can compile for the GPU.

        It needs Triton and a compiler of C. Without them the same runs more slowly.
        """
        nothing = np.zeros((1, *self.preparation.shape), np.uint8)
        if self._device.type == "cuda":
            run = runner(network, self._device, compiled=True)
            try:
                with quiet_stderr():
                    run(self._sent(nothing)).cpu()
                return run
            except RuntimeError:  # of which PyTorch's failures to compile are subclasses
                pass
        run = runner(network, self._device, compiled=False)
        run(self._sent(nothing)).cpu()
        return run

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, size, size, 3) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = np.empty((len(pixels), self.fingerprint.dim), dtype=np.float32)
        with self._turn:
            try:
                self._fill(vectors, pixels)
            except RuntimeError as error:
                raise _failure(error) from error
        return vectors

    def _fill(self, vectors: Float32, pixels: UInt8) -> None:
        """Compute `vectors`, some batches ahead of those that are waited for."""
        pending: deque[tuple[int, Any]] = deque()
        for start in range(0, len(pixels), self._batch):
            pending.append((start, self._run(self._sent(pixels[start : start + self._batch]))))
            if len(pending) > AHEAD:
                _receive(vectors, *pending.popleft())
        while pending:
            _receive(vectors, *pending.popleft())

    def _sent(self, part: UInt8) -> Any:
        """Return some pixels on the device, filled up to a whole batch, while it still computes."""
        import torch

        on_gpu = self._device.type == "cuda"
        full = torch.empty((self._batch, *part.shape[1:]), dtype=torch.uint8, pin_memory=on_gpu)
        filled = full.numpy()
        filled[: len(part)], filled[len(part) :] = part, 0
        return full.to(self._device, non_blocking=True)


def _receive(vectors: Float32, start: int, found: Any) -> None:
    """Wait for the vectors of a batch; write those of pictures, not of what filled it up."""
    part = vectors[start : start + len(found)]
    part[:] = found.cpu().numpy()[: len(part)]


def _failure(error: RuntimeError) -> ModelError:
    """Return PyTorch's error as ours: mostly that the GPU has too little memory left."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return ModelError(f"PyTorch cannot run the model: {lines[0]}", hint=Hint(Action.USE_CPU))


def runner(network: Network, device: Any, *, compiled: bool) -> Callable[[Any], Any]:
    """Return the network as a function of pixels on `device`, uint8 (n, size, size, 3)."""
    import torch

    def put(numbers: Float32) -> Any:
        return torch.from_numpy(np.ascontiguousarray(numbers, np.float32)).to(device)

    table = put(network.table)
    kernels = [put(_laid_out(layer)) for layer in network.layers]
    biases = [put(layer.bias) for layer in network.layers]
    scales = [None if layer.scale is None else put(layer.scale) for layer in network.layers]
    kinds = [_kind(layer) for layer in network.layers]
    activate, finish = network.activate, network.finish
    strides = [2, *(n for stride in STRIDES for n in (stride, 1))]

    def trunk(pixels: Any) -> Any:
        x = table[pixels.int()]
        for place, kernel in enumerate(kernels):
            x = _convolve(kinds[place], x, kernel, strides[place]) + biases[place]
            scale = scales[place]
            x = activate(x if scale is None else x * scale)
        return x

    constants = [put(each) for each in network.constants]

    def head(x: Any) -> Any:
        return finish(x, *constants)

    if compiled:
        trunk = torch.compile(trunk, dynamic=False)
        head = torch.compile(head, dynamic=False)

    def run(pixels: Any) -> Any:
        with torch.no_grad():
            with _tf32(network.exact_in_tf32):
                x = trunk(pixels)
            with _tf32(False):
                return head(x)

    return run


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Let products of matrices use TensorFloat-32 within the block, or not."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _kind(layer: Layer) -> str:
    """Return "pixel", "channel" or "all": what the kernel of a layer spans."""
    if len(layer.kernel) == 1:
        return "pixel"
    return "channel" if layer.kernel.shape[3] == 1 else "all"


def _laid_out(layer: Layer) -> Float32:
    """Return the kernel as (9, channels), or as a matrix (k k in, out)."""
    kernel = layer.kernel
    return (
        kernel.reshape(9, -1) if _kind(layer) == "channel" else kernel.reshape(-1, kernel.shape[3])
    )


def _convolve(kind: str, x: Any, kernel: Any, stride: int) -> Any:
    """Convolve x (n, h, w, c), padded with zeros as Keras' MobileNet pads."""
    import torch

    if kind == "pixel":
        count, height, width, channels = x.shape
        return (x.reshape(-1, channels) @ kernel).view(count, height, width, -1)
    before = 1 if stride == 1 else 0
    height, width = (-(-size // stride) for size in x.shape[1:3])
    padded = torch.nn.functional.pad(x, (0, 0, before, 1, before, 1))
    shifted = [
        padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
        for i in range(3)
        for j in range(3)
    ]
    if kind == "channel":
        total = shifted[0] * kernel[0]
        for place in range(1, 9):
            total = total + shifted[place] * kernel[place]
        return total
    rows = torch.cat(shifted, dim=3).reshape(-1, len(kernel))
    return (rows @ kernel).view(len(x), height, width, -1)
