"""The prepared training sets as one collection, and the endless stream of training batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from edits import clean, edit
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from sources import load_sets

cv2.setNumThreads(1)  # before any use: its thread pool does not survive a fork

NEIGHBOURS = 24
SAME = 0.96  # teacher cosine from which two training pictures may be one and the same
GROUP = 4  # an anchor and GROUP - 1 of its neighbours stand in each batch


@dataclass(frozen=True, slots=True)
class Collection:
    """All training pictures: where each lies, and what is known of it."""

    stores: list[NDArray[np.uint8]]
    place: NDArray[np.int64]  # [N, 2]: store, row
    aspect: NDArray[np.float32]  # [N]
    teacher: NDArray[np.float16]  # [N, 768], unit length
    neighbours: NDArray[np.int32]  # [N, NEIGHBOURS]

    def picture(self, index: int) -> NDArray[np.uint8]:
        """The stored square of picture `index`."""
        store, row = self.place[index]
        return np.array(self.stores[store][row])


def find_neighbours(vectors: NDArray[np.float16]) -> NDArray[np.int32]:
    """For each unit vector the nearest others that are not the same picture."""
    found = np.empty((len(vectors), NEIGHBOURS), np.int32)
    everything = torch.from_numpy(vectors.astype(np.float32))
    with torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(vectors), 1024):
            scores = (everything[start : start + 1024] @ everything.T).float()
            scores[scores > SAME] = -1.0
            best = scores.topk(min(NEIGHBOURS, len(vectors)), dim=1).indices
            found[start : start + 1024] = best.numpy()
    return found


def load_collection(data: Path) -> Collection:
    """Open every prepared training set, without the pictures listed in `data`/excluded.txt."""
    excluded_file = data / "excluded.txt"
    excluded = set(excluded_file.read_text().splitlines()) if excluded_file.exists() else set()
    stores, places, aspects, vectors, neighbours = [], [], [], [], []
    count = 0
    for entry in load_sets("train"):
        folder = data / "train" / entry.name
        if not folder.exists():
            continue
        names = (folder / "names.txt").read_text().splitlines()
        rows = [row for row, name in enumerate(names) if f"{entry.name}/{name}" not in excluded]
        unit = np.load(folder / "teacher.npy").astype(np.float32)[rows]
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        cache = folder / f"neighbours-{len(rows)}.npy"
        if not cache.exists():
            np.save(cache, find_neighbours(unit.astype(np.float16)))
        neighbours.append(np.load(cache) + count)
        vectors.append(unit.astype(np.float16))
        aspects.append(np.load(folder / "aspect.npy")[rows])
        places.append(np.stack([np.full(len(rows), len(stores)), rows], axis=1))
        stores.append(np.load(folder / "pictures.npy", mmap_mode="r"))
        count += len(rows)
    return Collection(
        stores,
        np.concatenate(places),
        np.concatenate(aspects),
        np.concatenate(vectors),
        np.concatenate(neighbours),
    )


class Batches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """(clean uint8 [B, S, S, 3], edited likewise, teacher [B, 768]) from `start` on, for ever.

    Batch k depends on the seed and k alone, so that a resumed run goes on where it stopped.
    """

    def __init__(
        self, collection: Collection, size: int, batch: int, seed: int, start: int
    ) -> None:
        self.collection, self.size, self.batch = collection, size, batch
        self.seed, self.start = seed, start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        step = self.start + number
        while True:
            yield self.make(step)
            step += workers

    def choose(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Half of a batch is chosen at random, half are anchors with their look-alikes."""
        count = len(self.collection.place)
        groups = self.batch // (2 * GROUP)
        anchors = random.integers(count, size=groups)
        columns = random.integers(NEIGHBOURS, size=(groups, GROUP - 1))
        alike = self.collection.neighbours[anchors[:, None], columns]
        rest = random.integers(count, size=self.batch - groups * GROUP)
        return np.concatenate([anchors, alike.ravel(), rest]).astype(np.int64)

    def originals(self, chosen: NDArray[np.int64]) -> Tensor:
        """The unedited pictures `chosen`, at the network's size."""
        pictures = [clean(self.collection.picture(index), self.size) for index in chosen]
        return torch.from_numpy(np.stack(pictures))

    def make(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch number `step`."""
        random = np.random.default_rng([self.seed, step])
        chosen = self.choose(random)
        pictures = [self.collection.picture(index) for index in chosen]
        originals = np.stack([clean(picture, self.size) for picture in pictures])
        edited = np.stack(
            [
                edit(picture, pictures[row - 1], self.collection.aspect[index], self.size, random)
                for row, (picture, index) in enumerate(zip(pictures, chosen, strict=True))
            ]
        )
        teacher = self.collection.teacher[chosen].astype(np.float32)
        return torch.from_numpy(originals), torch.from_numpy(edited), torch.from_numpy(teacher)
