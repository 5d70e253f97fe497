"""Results of `match.py`: compared with the oracle, and as rows of a table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.records import Int64
from vecsim.results import Pairs

sys.path.insert(0, str(Path(__file__).parent))
from _common import Measured

STEP = 1e-6  # from the threshold of one repeat to that of the next


def as_arrays(found: Any) -> tuple[Int64, Int64, Any] | None:
    """Return query rows, reference rows and scores of a result of vecsim; None for another's."""
    if isinstance(found, Pairs):
        return found.query, found.reference, found.score
    if isinstance(found, np.ndarray) and found.dtype.names:
        rows = (found[name].astype(np.int64) for name in ("query_id", "reference_id"))
        return (*rows, found["score"])
    return None


def verify_real(pairs: Int64, scores: Any, base: float) -> Callable[[str, int, Any], None]:
    """Return a check that compares results of vecsim with the oracle's `pairs` and `scores`."""

    def verify(name: str, repeat: int, found: Any) -> None:
        arrays = as_arrays(found)
        if arrays is None:
            return
        query, reference, score = arrays
        expected = scores >= base + repeat * STEP
        order = np.lexsort((reference, query))
        assert np.array_equal(query[order], pairs[expected][:, 0]), name
        assert np.array_equal(reference[order], pairs[expected][:, 1]), name
        assert np.array_equal(score[order], scores[expected]), name

    return verify


def as_rows(
    measured: dict[str, Measured], base_name: str, threshold: float
) -> list[dict[str, Any]]:
    """Return the rows of a table: times, and how many times as fast as `base_name` each is."""
    base = measured[base_name]
    return [
        {
            "threshold": threshold,
            "way": name,
            "seconds": round(result.median, 3),
            "x NumPy": round(base.median / result.median, 2),
            "processor seconds": round(result.median_cpu, 3),
            "x NumPy (processor)": round(base.median_cpu / result.median_cpu, 2),
            "peak MB": round(result.peak_mb),
        }
        for name, result in measured.items()
    ]
