"""Principal axes: the orthonormal directions along which vectors differ most.

A sketch stores a vector's coordinates along these axes (see `sketch`). Axes are fitted to a sample
by a principal component analysis. A poor fit only makes the bound of a sketch loose, never wrong.
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
from vecsim.search.products import MAX_CODES
from vecsim.search.score import FLOAT32_ROUNDOFF

AXES_SAMPLE = 8192  # rows that are enough to find the axes
SCALES_SAMPLE = 2048  # rows that are enough to fit the scales of a level
COARSE_AXES = 63  # axes of the first level, which is read in full for a single query
MIN_STEP = 2.0**-13  # so that every sum of codes and offsets fits into 32 bits
MAX_CODE = 127  # largest code; the smallest is its negative
_MAX_STORED = 100.0  # far above the typical errors of a level
SUMMATION_BLOCK = 128  # terms of a product that are summed before the partial sums are added
ROTATION_SEED = 20_260_101
# Format of stored axes and of the sketches made with them; raise it when either changes meaning.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Level:
    """K axes that are used together, and the centre of the vectors.

    `projection`: float32 (d, K + 1), the K columns of `basis`, then the centre. The basis spans the
    first K principal axes, rotated at random among themselves, so that all coordinates of a vector
    are of similar size and integer multiples of one `step` describe each of them well.

    `orthogonality_error`: Frobenius norm of (Gram matrix of the basis - identity). The bound of a
    sketch accounts for it. `typical_rounding` and `typical_residual`: what is usual for the norm of
    the coordinates' rounding errors, and for the norm of the part of a vector that its codes do not
    describe. They only make the bound tight; it holds whatever their values are.
    """

    projection: Float32
    step: float
    typical_rounding: float
    typical_residual: float
    orthogonality_error: float
    projected_centre: Float32 = field(init=False)  # (K,)
    centre_norm: float = field(init=False)
    frobenius_norm: float = field(init=False)  # of the basis, rounded up

    def __post_init__(self) -> None:
        wide = self.projection.astype(np.float64)
        projected = (wide[:, -1] @ wide[:, :-1]).astype(np.float32)
        object.__setattr__(self, "projected_centre", projected)
        object.__setattr__(self, "centre_norm", float(np.linalg.norm(wide[:, -1])))
        # The squared norm is the trace of the Gram matrix: K for an orthonormal basis. The trace of
        # a (K, K) matrix is at most sqrt(K) times its Frobenius norm.
        count = self.projection.shape[1] - 1
        square = count + self.orthogonality_error * count**0.5
        object.__setattr__(self, "frobenius_norm", (1 + 2.0**-40) * math.sqrt(square))

    @property
    def basis(self) -> Float32:
        """The K columns that span the axes: (d, K), orthonormal but for `orthogonality_error`."""
        return self.projection[:, :-1]

    @property
    def centre(self) -> Float32:
        """The mean of the vectors: (d,)."""
        return self.projection[:, -1]

    @property
    def code_count(self) -> int:
        """Codes (bytes) of one vector: K coordinates and the norm of the residual."""
        return int(self.projection.shape[1])


@dataclass(frozen=True, slots=True)
class Axes:
    """Levels of axes around one centre, the coarsest first.

    `id`: a hash of the content; equal axes have equal ids, wherever they were fitted.
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
        """Length d of the vectors."""
        return len(self.levels[0].projection)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as named arrays, for storing. The names are part of the format."""
        arrays: dict[str, npt.NDArray[Any]] = {"format": np.array([FORMAT])}
        for number, level in enumerate(self.levels):
            scales = [level.step, level.typical_rounding, level.typical_residual]
            arrays[f"plane{number}"] = level.projection
            arrays[f"scales{number}"] = np.array([*scales, level.orthogonality_error])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Axes:
        """Restore axes from the arrays of `to_arrays`.

        Raises KeyError if an array is missing, ValueError if the format is another one or a number
        is none that `fit_axes` finds.
        """
        if arrays["format"].tolist() != [FORMAT]:
            raise ValueError(f"axes of format {arrays['format'].tolist()}, not {FORMAT}")
        count = sum(name.startswith("plane") for name in arrays)
        levels = []
        for number in range(count):
            projection, scales = arrays[f"plane{number}"], arrays[f"scales{number}"].tolist()
            _check_stored(projection, *scales)
            levels.append(Level(projection, *scales))
        return cls(tuple(levels))


def _check_stored(projection: npt.NDArray[Any], step: float, *others: float) -> None:
    """Raise ValueError for numbers with which codes or bounds would overflow.

    A sketch may be untrusted. Unit vectors have coordinates of at most 2 around their centre.
    """
    sound = MIN_STEP <= step <= 2 and all(0 <= number <= _MAX_STORED for number in others)
    if not sound or not np.all(np.abs(projection) <= 2):
        raise ValueError("axes with numbers that no vectors have")


def fit_axes(vectors: Float32) -> Axes:
    """Fit axes to unit vectors (n, d), using an even sample of them.

    Two levels: a coarse one of 63 axes, and a fine one of half as many axes as dimensions (with one
    byte per axis, an eighth of the size of the vectors).
    """
    sample = vectors[:: max(1, len(vectors) // AXES_SAMPLE)].astype(np.float32)
    dim = vectors.shape[1]
    centre = np.zeros(dim, np.float32)
    if len(sample):
        centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = sample - centre
    _, eigenvectors = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    principal = eigenvectors[:, ::-1]
    fine = max(64, dim // 128 * 64) - 1
    counts = sorted({min(dim, COARSE_AXES), min(dim, fine, MAX_CODES - 1)})
    return Axes(tuple(_fit_level(principal[:, :count], centre, sample) for count in counts))


def _fit_level(principal: Float64, centre: Float32, sample: Float32) -> Level:
    """Make a level of the principal axes (d, K), its scales fitted to the centred sample (n, d)."""
    count = principal.shape[1]
    random = np.random.default_rng(ROTATION_SEED)
    rotation, _ = np.linalg.qr(random.standard_normal((count, count)))
    basis = (principal @ rotation).astype(np.float32)
    gram = basis.astype(np.float64).T @ basis
    orthogonality_error = float(np.linalg.norm(gram - np.eye(count)))
    sample = sample[:: max(1, len(sample) // SCALES_SAMPLE)]
    step = MIN_STEP
    typical_rounding = typical_residual = 0.0
    if len(sample):
        step = max(step, float(np.quantile(np.abs(sample @ basis), 0.99999)) / MAX_CODE)
        residual, rounding = _squared_errors(sample, basis, step)
        typical_rounding = float(np.sqrt(np.quantile(rounding, 0.95)))
        typical_residual = float(np.sqrt(residual).mean())
    projection = np.concatenate([basis, centre[:, None]], axis=1)
    return Level(projection, step, typical_rounding, typical_residual, orthogonality_error)


def mean_squared_residual(axes: Axes, vectors: Float32) -> float:
    """Return the mean squared norm of what the finest level does not describe of a vector.

    From 0 to 1, for unit vectors (n, d): tells how well `axes` fit them.
    """
    level = axes.levels[-1]
    residual, _ = _squared_errors(vectors - level.centre, level.basis, level.step)
    return float(residual.mean()) if len(residual) else 0.0


def _squared_errors(centred: Float32, basis: Float32, step: float) -> tuple[Float32, Float32]:
    """Return two squared norms for each centred vector (n, d): (n,) and (n,).

    First of the part that its rounded coordinates do not describe, then of the rounding errors.
    """
    coordinates = centred @ basis
    codes = np.clip(np.rint(coordinates / np.float32(step)), -MAX_CODE, MAX_CODE)
    rounding_errors = coordinates - np.float32(step) * codes
    rounding: Float32 = np.square(rounding_errors).sum(axis=1)
    residual = np.square(centred).sum(axis=1) - np.square(coordinates).sum(axis=1) + rounding
    return np.maximum(residual, 0), rounding


def project(vectors: Float32, projection: Float32) -> Float32:
    """Return `vectors` (n, d) @ `projection` (d, K) in float32, summed in two stages.

    Adding partial sums of `SUMMATION_BLOCK` terms bounds the error of each value by
    `projection_error(d)` times the norms of its vector and column, whatever the order within.
    """
    total: Float32 = vectors[:, :SUMMATION_BLOCK] @ projection[:SUMMATION_BLOCK]
    for start in range(SUMMATION_BLOCK, vectors.shape[1], SUMMATION_BLOCK):
        stop = start + SUMMATION_BLOCK
        total += vectors[:, start:stop] @ projection[start:stop]
    return total


def projection_error(dim: int) -> float:
    """Return the error bound of one value of `project`, for a unit vector and a unit column.

    A term takes part in at most min(dim, 128) roundings of its partial sum and dim // 128 of the
    total (Higham, section 3.1).
    """
    terms = min(dim, SUMMATION_BLOCK) + dim // SUMMATION_BLOCK + 2
    return 1.01 * terms * FLOAT32_ROUNDOFF
