"""The student's first weights: the teacher, thinned to fewer channels.

Channels are removed as in optimal brain surgeon: always the one whose loss the others can make
good best (by least squares), measured on real activations. Then each 1x1 convolution is fitted
anew, so that the thinned network follows the whole one.
"""

from __future__ import annotations

import torch
from network import BN_EPSILON, FoldedConv, MobileNet
from torch import Tensor
from torch.nn import functional

RIDGE = 1e-4
POSITIONS = 24  # pixels of each picture that enter the least squares


def with_one(x: Tensor) -> Tensor:
    """`x` [N, C] in float64 with a column of ones, which stands for the bias."""
    return torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64)], dim=1)


def fit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression of y [N, O] on x [N, C] and a constant: weight [O, C], bias [O]."""
    a = with_one(x)
    gram = a.T @ a
    gram.diagonal()[:-1].add_(RIDGE * gram.diagonal()[:-1].mean())
    solution = torch.linalg.solve(gram, a.T @ y.double())
    return solution[:-1].T.float().contiguous(), solution[-1].float()


def choose_channels(x: Tensor, y: Tensor, count: int) -> Tensor:
    """The `count` columns of x [N, C] (sorted) from which y [N, O] is best regained."""
    a = with_one(x)
    gram = a.T @ a
    gram.diagonal()[:-1].add_(RIDGE * gram.diagonal()[:-1].mean())
    inverse = torch.linalg.inv(gram)
    weight = inverse @ (a.T @ y.double())
    alive = torch.ones(x.shape[1], dtype=torch.bool)
    for _ in range(x.shape[1] - count):
        cost = weight[:-1].square().sum(dim=1) / inverse.diagonal()[:-1]
        cost[~alive] = torch.inf
        gone = int(cost.argmin())
        column = inverse[:, gone].clone()
        weight -= torch.outer(column, weight[gone]) / column[gone]
        inverse -= torch.outer(column, column) / column[gone]
        weight[gone], inverse[gone], inverse[:, gone] = 0.0, 0.0, 0.0
        inverse[gone, gone] = 1.0
        alive[gone] = False
    return alive.nonzero().flatten()


def sample(batches: list[Tensor]) -> Tensor:
    """Some pixels of [N, C, H, W] activations as rows [M, C], the same ones for equal sizes."""
    height, width = batches[0].shape[2:]
    generator = torch.Generator().manual_seed(height * width)
    count = min(POSITIONS, height * width)
    at = torch.randperm(height * width, generator=generator)[:count]
    return torch.cat([x.flatten(2)[:, :, at].transpose(1, 2).flatten(0, 1) for x in batches])


def keep_outputs(layer: FoldedConv, kept: Tensor) -> None:
    """Drop all output channels but `kept`."""
    layer.weight.data = layer.weight.data[kept].contiguous()
    layer.gamma.data, layer.beta.data = layer.gamma.data[kept], layer.beta.data[kept]
    layer.mean, layer.variance = layer.mean[kept], layer.variance[kept]


def set_folded(layer: FoldedConv, weight: Tensor, bias: Tensor) -> None:
    """Make the 1x1 `layer`, normalisation included, compute `weight` [O, C] and `bias`."""
    scale = layer.gamma.data * torch.rsqrt(layer.variance + BN_EPSILON)
    scale = torch.where(scale.abs() < 1e-3, torch.full_like(scale, 1e-3), scale)
    layer.gamma.data = scale * torch.sqrt(layer.variance + BN_EPSILON)
    layer.weight.data = (weight / scale[:, None])[:, :, None, None].contiguous()
    layer.beta.data = bias + layer.mean * scale


@torch.inference_mode()
def thin(model: MobileNet, reference: MobileNet, batches: list[Tensor], widths: list[int]) -> None:
    """Thin `model`, a copy of `reference`, to `widths`, all but its output, on these pictures."""
    thinned, whole = batches, batches
    for index, (layer, full) in enumerate(zip(model.layers, reference.layers, strict=True)):
        assert isinstance(layer, FoldedConv) and isinstance(full, FoldedConv)
        if layer.kernel == 1:
            target = sample([functional.conv2d(x, *full.folded()) for x in whole])
            set_folded(layer, *fit(sample(thinned), target))
        whole = [full(x) for x in whole]
        following = [layer(x) for x in thinned]
        width = widths[(index + 1) // 2]
        if layer.groups == 1 and width < layer.weight.shape[0]:
            depthwise, pointwise = model.layers[index + 1], model.layers[index + 2]
            wanted = reference.layers[index + 2]
            assert isinstance(depthwise, FoldedConv) and isinstance(pointwise, FoldedConv)
            assert isinstance(wanted, FoldedConv)
            inputs = [depthwise(x) for x in following]
            outputs = [functional.conv2d(x, *wanted.folded()) for x in inputs]
            kept = choose_channels(sample(inputs), sample(outputs), width)
            keep_outputs(layer, kept)
            keep_outputs(depthwise, kept)
            depthwise.groups = width
            pointwise.weight.data = pointwise.weight.data[:, kept].contiguous()
            following = [x[:, kept] for x in following]
        thinned = following
    model.widths = list(widths)


def principal_axes(vectors: Tensor, dim: int) -> Tensor:
    """The `dim` leading axes [dim, D] of uncentred unit vectors [N, D]."""
    second_moment = vectors.double().T @ vectors.double()
    return torch.linalg.eigh(second_moment).eigenvectors[:, -dim:].flip(1).T.float().contiguous()
