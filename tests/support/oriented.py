"""Indexes of random vectors in several orientations, and what searches of them must find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from support import oracle
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.orientations import STORED_NAMES, inverse
from vecsim.records import Embedded, Fingerprint, Float32, ImageFacts, ImageRef
from vecsim.search.score import normalise

DIM = 6
FORMS = len(STORED_NAMES)
FINGERPRINT = Fingerprint("external", "", "", DIM)


@dataclass(frozen=True)
class Images:
    """Vectors by orientation, one row for each image; `has`: which of them are stored (n, f)."""

    vectors: Float32  # (f, n, dim)
    has: np.ndarray

    def __len__(self) -> int:
        return len(self.has)

    def embedded(self, row: int) -> Embedded:
        turned = {code: self.vectors[code, row] for code in range(1, FORMS) if self.has[row, code]}
        ref = ImageRef(f"{row:03}", f"http://shop.example/{row}")
        return Embedded(ref, ImageFacts(), self.vectors[0, row], b"", turned)


def random_images(random: np.random.Generator, count: int, *, complete: bool = False) -> Images:
    """Images of few distinct values, so that many scores are equal; some lack orientations."""
    drawn = random.integers(-2, 3, (FORMS * count, DIM)).astype(np.float32)
    drawn[~drawn.any(axis=1)] = 1
    has = np.ones((count, FORMS), bool)
    if not complete:
        has[:, 1:] = random.random((count, FORMS - 1)) < 0.8
    return Images(normalise(drawn).reshape(FORMS, count, DIM), has)


def make_index(path: Path, images: Images, cuts: Sequence[int]) -> Path:
    """Make an index of `images`, committed in parts that end at `cuts`."""
    create_index(path, FINGERPRINT)
    places = sorted({0, len(images), *(cut % (len(images) + 1) for cut in cuts)})
    with Writer(path) as writer:
        for start, stop in pairwise(places):
            writer.commit([images.embedded(row) for row in range(start, stop)])
    return path


def scores_of(
    queries: Images, references: Images, codes: Sequence[int], *, itself: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The score of each pair by its definition, and the first form of the query with it."""
    shape = (len(queries), len(references))
    best, which = np.full(shape, -np.inf), np.zeros(shape, np.int64)
    found_by = []
    for code in codes:
        found = oracle.matrix(queries.vectors[code], references.vectors[0])
        found[~queries.has[:, code]] = -np.inf
        found_by.append((code, found))
        if itself:
            back = oracle.matrix(queries.vectors[0], references.vectors[code])
            back[:, ~references.has[:, code]] = -np.inf
            found_by.append((inverse(code), back))
    for code, found in sorted(found_by, key=lambda each: each[0]):
        better = found > best
        best[better], which[better] = found[better], code
    return best, which
