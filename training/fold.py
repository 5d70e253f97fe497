"""Write a checkpoint's averaged weights as float16 arrays, batch normalisation folded in.

python fold.py RUN/last.pt bundled.weights.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from network import FoldedConv, Student
from numpy.typing import NDArray


def load_student(checkpoint: Path, which: str = "average") -> Student:
    """The student in a checkpoint: its "average" (what ships) or its "student" weights."""
    state = torch.load(checkpoint, weights_only=True)
    student = Student(state["widths"], state["axes"].shape[0])
    student.load_state_dict(state[which])
    return student.eval()


@torch.no_grad()
def fold(student: Student) -> dict[str, NDArray[np.float16]]:
    """The arrays of `vecsim.models.families.bundled`."""
    arrays: dict[str, NDArray[np.float16]] = {}
    names = ["conv"]
    for block in range(1, len(student.body.widths)):
        names += [f"dw_{block}", f"pw_{block}"]
    for name, layer in zip(names, student.body.layers, strict=True):
        assert isinstance(layer, FoldedConv)
        weight, bias = layer.folded()
        axes = (2, 3, 0, 1) if name.startswith("dw_") else (2, 3, 1, 0)
        arrays[f"{name}.kernel"] = weight.permute(*axes).numpy().astype(np.float16)
        arrays[f"{name}.bias"] = bias.numpy().astype(np.float16)
    arrays["head.kernel"] = student.head.weight.T.numpy().astype(np.float16)
    arrays["head.bias"] = student.head.bias.numpy().astype(np.float16)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} does not fit float16")
    return arrays


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    np.savez_compressed(arguments.target, **fold(load_student(arguments.checkpoint)))
