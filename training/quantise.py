"""Round folded weights to int8 levels so that each layer's output changes least.

    python quantise.py weights.npz rounded.npz --part PARTS/00.part

Rounding every weight to the nearest level costs the early depthwise layers most: their kernels
differ little from a sum of zero, and the rounded ones do not. Here the weights of an output channel
are rounded one after the other, each error being made up for by the weights still to be rounded
(GPTQ, with the second moments of the layer's inputs on training pictures); the bias then takes what
is left of the mean. rounded.npz is a weights file whose kernels are whole numbers of steps of
1 / 127 of each channel's maximum, which is what `export.py --int8` makes of it.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch
from network import CEILING, STEPS, WEIGHT_STEPS, ConvUnit, Student, layer_names, load_arrays
from network import save_arrays as save
from pictures import decode_square, read_part
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE = 160
ROWS = 40_000  # positions of a layer's input that its second moments are taken from
DAMPING = 1e-3


def load_pictures(part: Path, count: int) -> Tensor:
    """The first pictures of a part file as the network's input: [count, 3, side, side]."""
    records = itertools.islice(read_part(part), count)
    images = [Image.fromarray(decode_square(data)) for _, data in records]
    pixels = [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def patches(unit: ConvUnit, x: Tensor) -> Tensor:
    """What each output of the layer sees: [G, rows, K], G groups of one or all channels."""
    size = unit.weight.shape[-1]
    if size == 1:
        rows = x.permute(0, 2, 3, 1).reshape(1, -1, x.shape[1])
    else:
        x = functional.pad(x, (0, 1, 0, 1) if unit.stride == 2 else (1, 1, 1, 1))
        columns = functional.unfold(x, size, stride=unit.stride)  # [N, C * K, L]
        columns = columns.reshape(len(x), unit.groups, -1, columns.shape[-1])
        rows = columns.permute(1, 0, 3, 2).reshape(unit.groups, -1, columns.shape[2])
    return rows[:, :: max(1, rows.shape[1] // ROWS)]


def round_with_feedback(weight: Tensor, moments: Tensor) -> Tensor:
    """Round rows of weights to steps of 1 / 127 of their maximum.

    weight [G, O, K]: O rows share the inputs of group g; moments [G, K, K]: of these inputs.
    """
    step = (weight.abs().amax(2) / WEIGHT_STEPS).clamp(min=1e-8)
    damping = DAMPING * moments.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-8)
    eye = torch.eye(weight.shape[2], dtype=moments.dtype)
    inverse = torch.linalg.inv(moments + damping[:, None, None] * eye)
    factor = torch.linalg.cholesky(inverse, upper=True)
    left, rounded = weight.clone(), torch.empty_like(weight)
    for column in range(weight.shape[2]):
        levels = (left[:, :, column] / step).round().clamp(-WEIGHT_STEPS, WEIGHT_STEPS)
        rounded[:, :, column] = levels * step
        error = (left[:, :, column] - rounded[:, :, column]) / factor[:, None, column, column]
        left[:, :, column:] -= error[:, :, None] * factor[:, None, column, column:]
    return rounded


def keep_maximum(rounded: Tensor, weight: Tensor) -> Tensor:
    """Give each channel back its largest weight, from which the step is derived again."""
    largest = weight.abs() == weight.abs().amax((1, 2, 3), keepdim=True)
    return torch.where(largest, weight, rounded)


@torch.no_grad()
def quantise(student: Student, x: Tensor) -> None:
    """Replace the kernels and biases of all layers, first to last."""
    for unit in student.units:
        weight = unit.weight
        rows = patches(unit, x).double()
        moments = rows.transpose(1, 2) @ rows / rows.shape[1]
        groups = rows.shape[0]
        flat = weight.reshape(groups, weight.shape[0] // groups, -1).double()
        rounded = round_with_feedback(flat, moments).reshape(weight.shape).float()
        rounded = keep_maximum(rounded, weight)
        lost = (flat - rounded.reshape(flat.shape)) @ rows.mean(1)[:, :, None]
        unit.folded_bias = unit.folded_bias + lost.flatten().float()
        unit.weight.copy_(rounded)
        y = unit.convolve(x, rounded) + unit.folded_bias.view(1, -1, 1, 1)
        x = (y.clamp(0, CEILING) * (STEPS / CEILING)).round() * (CEILING / STEPS)


def main() -> None:
    """Parse the command line; round; write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--part", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=192)
    options = parser.parse_args()
    arrays = load_arrays(options.weights)
    student = Student(arrays).eval()
    quantise(student, load_pictures(options.part, options.pictures))
    for name, unit in zip(layer_names(), student.units, strict=True):
        axes = (2, 3, 0, 1) if name.startswith("dw_") else (2, 3, 1, 0)
        arrays[f"{name}.kernel"] = unit.weight.detach().permute(*axes).numpy()
        arrays[f"{name}.bias"] = unit.folded_bias.numpy()
    save(options.target, arrays)


if __name__ == "__main__":
    main()
