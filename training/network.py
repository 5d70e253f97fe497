"""The student network in PyTorch, and the teacher it is taught by.

Both are MobileNet V1. Batch normalisation keeps its statistics fixed and is folded into the
convolutions at every step: the graph that trains is the graph that ships.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

BN_EPSILON = 1e-3
# (stride, output channels at alpha 1.0) of the 13 depthwise-separable blocks
BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)


class FoldedConv(nn.Module):
    """A bias-free convolution, batch normalisation with fixed statistics, and ReLU6."""

    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.gamma = nn.Parameter(torch.ones(outputs))
        self.beta = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("variance", torch.ones(outputs))
        nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that does the work of both."""
        scale = self.gamma * torch.rsqrt(self.variance + BN_EPSILON)
        return self.weight * scale[:, None, None, None], self.beta - self.mean * scale

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve with TensorFlow's "same" padding (for stride 2: right and bottom only)."""
        padding = self.kernel // 2
        if self.stride == 2:
            x, padding = functional.pad(x, (0, 1, 0, 1)), 0
        return functional.conv2d(x, weight, bias, self.stride, padding, 1, self.groups)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.folded()
        return functional.hardtanh_(self.convolve(x, weight, bias), 0.0, 6.0)


class MobileNet(nn.Module):
    """MobileNet V1 without its classifier: [N, 3, H, W] scaled to -1..1 in, pooled features out."""

    def __init__(self, widths: list[int]) -> None:
        """Build with `widths` channels: the first convolution's, then each block's output."""
        super().__init__()
        layers: list[FoldedConv] = [FoldedConv(3, widths[0], 3, 2, 1)]
        for (stride, _), inputs, outputs in zip(BLOCKS, widths[:-1], widths[1:], strict=True):
            layers.append(FoldedConv(inputs, inputs, 3, stride, inputs))
            layers.append(FoldedConv(inputs, outputs, 1, 1, 1))
        self.layers = nn.ModuleList(layers)
        self.widths = list(widths)

    def forward(self, x: Tensor, frozen: int = 0) -> Tensor:
        """Pooled features; the first `frozen` layers are not trained."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            for layer in self.layers[:frozen]:
                x = layer(x)
        for layer in self.layers[frozen:]:
            x = layer(x)
        return x.mean(dim=(2, 3))


class Student(nn.Module):
    """A MobileNet and a projection; the embedding is not normalised here."""

    def __init__(self, widths: list[int], dim: int) -> None:
        super().__init__()
        self.body = MobileNet(widths)
        self.head = nn.Linear(widths[-1], dim)

    def forward(self, x: Tensor, frozen: int = 0) -> Tensor:
        embedded: Tensor = self.head(self.body(x, frozen).float())
        return embedded


def widths_of(alpha: float) -> list[int]:
    """Channel counts of a MobileNet of width `alpha`."""
    return [int(32 * alpha)] + [int(channels * alpha) for _, channels in BLOCKS]


def layer_names() -> list[str]:
    """Keras' names of the convolutions, in the order of `MobileNet.layers`."""
    names = ["conv1"]
    for block in range(1, len(BLOCKS) + 1):
        names += [f"conv_dw_{block}", f"conv_pw_{block}"]
    return names


def load_teacher(weights: Path) -> MobileNet:
    """Read Keras' ImageNet weights (an `.h5` without top) into a PyTorch MobileNet."""
    with h5py.File(weights) as file:

        def read(layer: str, name: str) -> Tensor:
            return torch.from_numpy(np.asarray(file[f"{layer}/{layer}/{name}"]))

        last = read(f"conv_pw_{len(BLOCKS)}", "kernel").shape[-1]
        model = MobileNet(widths_of(last / BLOCKS[-1][1]))
        for name, layer in zip(layer_names(), model.layers, strict=True):
            assert isinstance(layer, FoldedConv)
            kernel = read(name, "kernel")
            axes = (2, 3, 0, 1) if "_dw_" in name else (3, 2, 0, 1)
            layer.weight.data = kernel.permute(*axes).contiguous()
            norm = f"{name}_bn"
            layer.gamma.data = read(norm, "gamma")
            layer.beta.data = read(norm, "beta")
            layer.mean = read(norm, "moving_mean")
            layer.variance = read(norm, "moving_variance")
    return model.eval()
