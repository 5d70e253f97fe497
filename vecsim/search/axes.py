"""Axes: the directions along which vectors differ most, learnt from a sample.

A sketch describes a vector by its coordinates along these axes; see `sketch`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32, Float64
from vecsim.search.score import FLOAT32_UNIT

SAMPLE = 8192  # rows that are enough to find the axes
FITTED = 2048  # rows that are enough to fit their scales
COARSE = 63  # axes of the first level, which is read in full for a single query
LEAST_STEP = 2.0**-13  # so that whatever a sketch adds up fits 32 bits
CODE = 127  # largest code
DEPTH = 128  # terms that are summed in float32 before the sums are added up
SEED = 20_260_101
FORMAT = 1  # of axes and of sketches made with them; raise it when either would read differently


@dataclass(frozen=True, slots=True)
class Level:
    """Axes that are used together, and the centre.

    `plane` (d, K + 1) float32: K columns orthonormal but for `skew`, the norm of their Gram matrix
    less the identity, and the centre. The axes are the K principal ones, turned at random among
    themselves so that a vector's coordinates are of one size and whole multiples of one `step`
    describe them all well. `error` is what that usually costs (norm of the rounding), `rest` the
    usual norm of what the axes do not see; both only make the bound tight, its truth does not
    depend on them.
    """

    plane: Float32
    step: float
    error: float
    rest: float
    skew: float
    shift: Float32 = field(init=False)  # the centre's coordinates (K,)
    length: float = field(init=False)  # norm of the centre
    norm: float = field(init=False)  # at least the Frobenius norm of the axes

    def __post_init__(self) -> None:
        wide = self.plane.astype(np.float64)
        object.__setattr__(self, "shift", (wide[:, -1] @ wide[:, :-1]).astype(np.float32))
        object.__setattr__(self, "length", float(np.linalg.norm(wide[:, -1])))
        # The squared norm is the Gram matrix' trace: K, and what `skew` says at most beside it.
        count = self.plane.shape[1] - 1
        object.__setattr__(self, "norm", (1 + 2.0**-40) * math.sqrt(count + self.skew * count**0.5))

    @property
    def width(self) -> int:
        """Bytes of a vector's codes: one an axis, one for what the axes do not see."""
        return int(self.plane.shape[1])


@dataclass(frozen=True, slots=True)
class Axes:
    """Levels of axes around one centre, the coarsest first.

    `id` is a hash of the content: equal axes have equal ids, wherever they were made.
    """

    levels: tuple[Level, ...]
    id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = blake2b(digest_size=12)
        for name, array in sorted(self.to_arrays().items()):
            digest.update(name.encode() + str(array.shape).encode() + array.tobytes())
        object.__setattr__(self, "id", digest.hexdigest())

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return len(self.levels[0].plane)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as named arrays, for `numpy.savez`."""
        arrays: dict[str, npt.NDArray[Any]] = {"format": np.array([FORMAT])}
        for number, level in enumerate(self.levels):
            arrays[f"plane{number}"] = level.plane
            arrays[f"scales{number}"] = np.array([level.step, level.error, level.rest, level.skew])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Axes:
        """The axes that `to_arrays` took apart.

        Raises KeyError if something is missing, ValueError if another version wrote them.
        """
        if arrays["format"].tolist() != [FORMAT]:
            raise ValueError(f"axes of format {arrays['format'].tolist()}, not {FORMAT}")
        count = sum(name.startswith("plane") for name in arrays)
        levels = [
            Level(arrays[f"plane{number}"], *arrays[f"scales{number}"].tolist())
            for number in range(count)
        ]
        return cls(tuple(levels))


def make_axes(vectors: Float32) -> Axes:
    """Axes for unit vectors (n, d) like these, from an even sample of them.

    Two levels: a coarse one of 63 axes and a fine one of half as many axes as dimensions (with
    one byte an axis, an eighth of the vectors' size).
    """
    sample = vectors[:: max(1, len(vectors) // SAMPLE)].astype(np.float32)
    dim = vectors.shape[1]
    centre = np.zeros(dim, np.float32)
    if len(sample):
        centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = sample - centre
    _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    principal = directions[:, ::-1]
    fine = max(64, dim // 128 * 64) - 1
    widths = sorted({min(dim, COARSE), min(dim, fine, 1023)})
    return Axes(tuple(_level(principal[:, :width], centre, sample) for width in widths))


def unseen(axes: Axes, vectors: Float32) -> float:
    """How much of unit vectors (n, d) like these a sketch with `axes` leaves out: from 0 to 1.

    The mean squared norm of what its finest level does not say of a vector.
    """
    level = axes.levels[-1]
    basis, centre = level.plane[:, :-1], level.plane[:, -1]
    rest, _ = _left_out(vectors - centre, basis, level.step)
    return float(rest.mean()) if len(rest) else 0.0


def _left_out(sample: Float32, basis: Float32, step: float) -> tuple[Float32, Float32]:
    """Squared norms (n,) of what coded coordinates leave out of centred vectors, of rounding."""
    seen = sample @ basis
    off = seen - np.float32(step) * np.clip(np.rint(seen / np.float32(step)), -CODE, CODE)
    rounding: Float32 = np.square(off).sum(axis=1)
    rest = np.square(sample).sum(axis=1) - np.square(seen).sum(axis=1) + rounding
    return np.maximum(rest, 0), rounding


def project(vectors: Float32, plane: Float32) -> Float32:
    """`vectors` (n, d) @ `plane` (d, K) in float32, more accurate than one product would be.

    Adding up in two stages bounds the error of each value by `projection_error` times the norms.
    """
    total: Float32 = vectors[:, :DEPTH] @ plane[:DEPTH]
    for start in range(DEPTH, vectors.shape[1], DEPTH):
        total += vectors[:, start : start + DEPTH] @ plane[start : start + DEPTH]
    return total


def projection_error(dim: int) -> float:
    """Error bound of a value from `project`, for a unit vector and a unit column, any order."""
    return 1.01 * (min(dim, DEPTH) + dim // DEPTH + 2) * FLOAT32_UNIT


def _level(principal: Float64, centre: Float32, sample: Float32) -> Level:
    """A level of the given axes (d, K), with its scales fitted to the centred sample (n, d)."""
    width = principal.shape[1]
    turn, _ = np.linalg.qr(np.random.default_rng(SEED).standard_normal((width, width)))
    basis = (principal @ turn).astype(np.float32)
    skew = float(np.linalg.norm(basis.astype(np.float64).T @ basis - np.eye(width)))
    sample = sample[:: max(1, len(sample) // FITTED)]
    step = LEAST_STEP
    error = rest = 0.0
    if len(sample):
        step = max(step, float(np.quantile(np.abs(sample @ basis), 0.99999)) / CODE)
        squares, rounding = _left_out(sample, basis, step)
        error = float(np.sqrt(np.quantile(rounding, 0.95)))
        rest = float(np.sqrt(squares).mean())
    return Level(np.concatenate([basis, centre[:, None]], axis=1), step, error, rest, skew)
