"""The network in PyTorch: a small MobileNet V1, generalised-mean pooling, a linear projection.

It trains in two modes. In the first, each convolution is followed by batch normalisation with
the statistics of the batch. In the second (`quantised`), the statistics are fixed and folded into
the convolution, weights are rounded to int8 per output channel and activations to uint8 steps of
6 / 255, with straight-through gradients: what an int8 flatbuffer of the network computes. Pooling
and projection stay in floating point in both.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the 13 depthwise convolutions
BN_EPSILON = 1e-3
POOL_FLOOR = 1e-4
POWER = 3.0
CEILING = 6.0  # of ReLU6
STEPS = 255.0  # an activation is 0..STEPS steps of CEILING / STEPS
WEIGHT_STEPS = 127.0

Arrays = dict[str, NDArray[np.generic]]


def layer_names() -> list[str]:
    """Names of the convolutions in a weights file, in order of computation."""
    names = ["conv"]
    for block in range(1, len(STRIDES) + 1):
        names += [f"dw_{block}", f"pw_{block}"]
    return names


def round_through(x: Tensor) -> Tensor:
    """Round to integers; the gradient is that of the identity."""
    return x + (x.round() - x).detach()


class Requantise(torch.autograd.Function):
    """Scale what a convolution of integers gives to steps of the activation: integers 0..255.

    y [N, C, H, W] in any float type, scale and offset float32 [1, C, 1, 1]; computed in float32,
    returned in the type of y. The gradient passes where the result is neither 0 nor 255; scale,
    which follows from the weights' maxima, gets none.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        steps = (y * scale).add_(offset).clamp_(0.0, STEPS).round_().to(y.dtype)
        ctx.save_for_backward(steps, scale)
        return steps

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        steps, scale = ctx.saved_tensors
        passed = torch.ops.aten.hardtanh_backward(gradient, steps, 0.0, STEPS)
        to_offset = passed.sum((0, 2, 3), keepdim=True, dtype=torch.float32)
        return passed * scale.to(passed.dtype), None, to_offset


class ConvUnit(nn.Module):
    """A convolution, batch normalisation and ReLU6, made from folded weights.

    In quantised mode input and output are activations counted in steps: integers 0..255, which
    bfloat16 holds exactly. `input_step` is the size of one step of the input (None: not counted).
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.stride, self.groups = stride, groups
        self.norm = nn.BatchNorm2d(len(bias), eps=BN_EPSILON, momentum=0.05)
        self.folded_bias = bias
        self.calibrating = False
        self.input_step: float | None = CEILING / STEPS

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve with TensorFlow's "same" padding (for stride 2: right and bottom only)."""
        padding = weight.shape[-1] // 2
        if self.stride == 2:
            x, padding = functional.pad(x, (0, 1, 0, 1)), 0
        return functional.conv2d(x, weight.to(x.dtype), None, self.stride, padding, 1, self.groups)

    def calibrate(self, y: Tensor) -> None:
        """Set the normalisation so that unit(y) equals y + the folded bias on this batch."""
        values = y.detach().float()
        mean = values.mean((0, 2, 3))
        variance = values.var((0, 2, 3), unbiased=False).clamp(min=1e-6)
        with torch.no_grad():
            self.norm.running_mean.copy_(mean)
            self.norm.running_var.copy_(variance)
            self.norm.weight.copy_((variance + BN_EPSILON).sqrt())
            self.norm.bias.copy_(mean + self.folded_bias.to(mean))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that includes the normalisation."""
        scale = self.norm.weight * torch.rsqrt(self.norm.running_var + BN_EPSILON)
        return self.weight * scale[:, None, None, None], self.norm.bias - (
            self.norm.running_mean * scale
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolve(x, self.weight)
        if self.calibrating:
            self.calibrate(y)
        return functional.hardtanh(self.norm(y), 0.0, CEILING)

    def forward_quantised(self, x: Tensor) -> Tensor:
        """The same on an int8 machine: [N, C, H, W] in steps, in and out."""
        weight, bias = self.folded()
        step = (weight.detach().abs().amax((1, 2, 3), keepdim=True) / WEIGHT_STEPS).clamp(min=1e-8)
        levels = round_through((weight / step).clamp(-WEIGHT_STEPS, WEIGHT_STEPS))
        scale = step.view(1, -1, 1, 1) * (self.input_step or 1.0) * (STEPS / CEILING)
        offset = (bias * (STEPS / CEILING)).view(1, -1, 1, 1)
        steps: Tensor = Requantise.apply(self.convolve(x, levels), scale, offset)
        return steps


class Student(nn.Module):
    """Network and projections: [N, 3, 160, 160] scaled to -1..1 in, [N, 256] out, not normalised.

    `up` maps a unit embedding to the teacher's 512 dimensions; only the training needs it.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Build from the folded arrays of a weights file (Keras layouts)."""
        super().__init__()
        tensors = {name: torch.from_numpy(a.astype(np.float32)) for name, a in arrays.items()}
        units: list[ConvUnit] = []
        for name in layer_names():
            depthwise = name.startswith("dw_")
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            weight = tensors[f"{name}.kernel"].permute(*axes).contiguous()
            bias = tensors[f"{name}.bias"]
            stride = STRIDES[int(name[3:]) - 1] if depthwise else 2 if name == "conv" else 1
            units.append(ConvUnit(weight, bias, stride, len(weight) if depthwise else 1))
        units[0].input_step = None
        self.units = nn.ModuleList(units)
        self.head = linear(tensors["head.kernel"], tensors["head.bias"])
        self.up = linear(tensors["up.kernel"], None)

    def features(self, x: Tensor) -> Tensor:
        """Feature maps [N, C, 5, 5] with batch normalisation."""
        for unit in self.units:
            x = unit(x)
        return x.float()

    def features_quantised(self, x: Tensor) -> Tensor:
        """Feature maps as the int8 network computes them."""
        for unit in self.units:
            x = unit.forward_quantised(x)
        return x.float() * (CEILING / STEPS)

    def pool(self, x: Tensor) -> Tensor:
        """Generalised mean over the map, power 3, then the projection."""
        x = x.clamp(min=POOL_FLOOR)
        return self.head((x * x * x).mean((2, 3)).pow(1 / POWER))

    def forward(self, x: Tensor, quantised: bool = False) -> Tensor:
        maps = self.features_quantised(x) if quantised else self.features(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.pool(maps)

    def freeze_statistics(self) -> None:
        """Use the running statistics of all normalisations from now on."""
        for unit in self.units:
            unit.norm.eval()

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """Give every unit the statistics of batch `x` without changing what it computes on it."""
        self.eval()
        for unit in self.units:
            unit.calibrating = True
        self(x)
        for unit in self.units:
            unit.calibrating = False
        self.train()

    @torch.no_grad()
    def fold(self) -> Arrays:
        """The weights as folded float32 arrays in Keras layouts."""
        arrays: Arrays = {}
        for name, unit in zip(layer_names(), self.units, strict=True):
            weight, bias = unit.folded()
            axes = (2, 3, 0, 1) if name.startswith("dw_") else (2, 3, 1, 0)
            arrays[f"{name}.kernel"] = weight.permute(*axes).cpu().numpy()
            arrays[f"{name}.bias"] = bias.cpu().numpy()
        arrays["head.kernel"] = self.head.weight.T.cpu().numpy()
        arrays["head.bias"] = self.head.bias.cpu().numpy()
        arrays["up.kernel"] = self.up.weight.T.cpu().numpy()
        return arrays


def linear(kernel: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear layer with this Keras kernel (inputs x outputs) and bias."""
    layer = nn.Linear(*kernel.shape, bias=bias is not None)
    layer.weight.data = kernel.T.contiguous()
    if bias is not None:
        layer.bias.data = bias
    return layer


def load_arrays(path: Path) -> Arrays:
    """Read a weights file."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write a weights file as float16, atomically; raises ValueError if a value does not fit."""
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    for name, array in halves.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} does not fit float16")
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez_compressed(partial, **halves)
    partial.replace(path)
