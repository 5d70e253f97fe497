"""The scores of all pairs, exactly and quickly also for signs and bits, for `worst_inputs.py`.

Independent of `vecsim.search`: float64 cosines, rounded; those near the middle of two scores are
decided with fractions by the oracle of the tests, once for each pair of whole numbers (product,
squares) where vectors are multiples of whole numbers, else once for each pair of vectors.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from _common import REPOSITORY

from vecsim.records import Float32

sys.path.insert(0, str(REPOSITORY))
from tests.support import oracle


def exact_scores(queries: Float32, references: Float32) -> Any:
    """Return the scores of all pairs: float64 (q, n), rounded half to even to six decimals."""
    one, two = queries.astype(np.float64), references.astype(np.float64)
    norms = np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1))
    units = 1e6 * (one @ two.T) / norms
    scores = np.rint(units) / 1e6 + 0.0
    close = np.argwhere(np.abs(np.mod(units, 1.0) - 0.5) < oracle.BAND)
    whole = _as_whole(one), _as_whole(two)
    decided: dict[tuple[Any, ...], float] = {}
    for row, column in close.tolist():
        x, y = whole[0][row], whole[1][column]
        key: tuple[Any, ...] = (queries[row].tobytes(), references[column].tobytes())
        if x is not None and y is not None:
            key = (int(x @ y), int(x @ x) * int(y @ y))
        if key not in decided:
            decided[key] = oracle.exact_score(queries[row], references[column])
        scores[row, column] = decided[key]
    return scores


def _as_whole(vectors: Any) -> list[Any]:
    """Return each vector (d,) as whole numbers, exactly proportional; None where it is not."""
    found = []
    for vector in vectors:
        sizes = np.abs(vector[vector != 0])
        unit = sizes.min()
        values = np.rint(vector / unit)
        small = np.abs(values).max() < 2**12  # so that products with 24 bits are exact in float64
        found.append(values.astype(np.int64) if small and (values * unit == vector).all() else None)
    return found
