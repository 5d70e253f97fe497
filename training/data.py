"""The training pictures in device memory; parts may appear while the training runs."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SIDE = 192
TEACHER_DIM = 512
NEIGHBOURS = 6


class Pictures:
    """Pixels, aspect ratios and teacher's vectors of all parts found so far.

    The first `held` pictures of the first part are kept out of the training, for evaluation.
    """

    def __init__(self, folder: Path, capacity: int, held: int, device: torch.device) -> None:
        self.folder, self.device, self.capacity = folder, device, capacity
        self.pixels = torch.empty((capacity, SIDE, SIDE, 3), dtype=torch.uint8, device=device)
        self.aspects = torch.ones(capacity, device=device)
        self.vectors = torch.zeros(capacity, TEACHER_DIM, device=device)
        self.neighbours = torch.zeros(capacity, NEIGHBOURS, dtype=torch.long, device=device)
        self.count = 0
        self.parts: list[str] = []
        self.load_new_parts()
        self.held = min(held, self.count // 4)
        self.find_neighbours()

    def load_new_parts(self) -> bool:
        """Load the parts that have appeared; returns whether there were any."""
        found = sorted(path.name for path in self.folder.glob("*.pictures.npy"))
        new = [name for name in found if "partial" not in name and name not in self.parts]
        for name in new:
            self.parts.append(name)
            self.load_part(name.split(".")[0])
        return bool(new)

    def load_part(self, name: str) -> None:
        """Append one part, as far as there is room."""
        pixels = np.load(self.folder / f"{name}.pictures.npy", mmap_mode="r")
        number = min(len(pixels), self.capacity - self.count)
        rows = slice(self.count, self.count + number)
        aspects = torch.from_numpy(np.load(self.folder / f"{name}.aspects.npy")[:number])
        vectors = torch.from_numpy(np.load(self.folder / f"{name}.vectors.npy")[:number])
        self.aspects[rows] = aspects.to(self.device).clamp(0.4, 2.5)
        self.vectors[rows] = functional.normalize(vectors.float(), dim=1).to(self.device)
        for start in range(0, number, 2048):
            chunk = np.array(pixels[start : min(start + 2048, number)])
            at = self.count + start
            self.pixels[at : at + len(chunk)] = torch.from_numpy(chunk).to(self.device)
        self.count += number

    def find_neighbours(self) -> None:
        """For every training picture, those most alike to the teacher but no repeats."""
        vectors = self.vectors[self.held : self.count]
        for start in range(0, len(vectors), 2048):
            scores = vectors[start : start + 2048] @ vectors.T
            scores = scores.masked_fill(scores > 0.9, -1.0)
            nearest = scores.topk(min(NEIGHBOURS, len(vectors)), 1).indices + self.held
            at = self.held + start
            self.neighbours[at : at + len(nearest), : nearest.shape[1]] = nearest

    def draw(self, count: int) -> Tensor:
        """Indexes of a training batch: half drawn at random, half look-alikes of those: [count]."""
        anchors = torch.randint(self.held, self.count, (count // 2,), device=self.device)
        rank = torch.randint(NEIGHBOURS, anchors.shape, device=self.device)
        return torch.cat([anchors, self.neighbours[anchors, rank]]).view(2, -1).T.reshape(-1)
