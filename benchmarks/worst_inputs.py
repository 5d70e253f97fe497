"""Inputs on which an exact search could be slow, against a rounded NumPy matrix.

    python benchmarks/worst_inputs.py [--repeats 5] [--output FILE.json]

Scores that lie half-way between two decimals (signs, bits of hashes), answers of most pairs (tight
clusters, identical vectors, a threshold of -1), vectors without structure, and vectors of three
dimensions. NumPy computes the float64 matrix, rounds it to six decimals and selects. Every result
of a range search is compared with that of NumPy. Ratios are of processor time, in the same run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32
from vecsim.results import Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.sketch import make_sketch
from vecsim.search.top_k import top_k

sys.path.insert(0, str(Path(__file__).parent))
from _common import interleaved, report

QUERIES, REFERENCES, DIM, K = 300, 9_000, 768, 10


def inputs() -> dict[str, tuple[Float32, Float32, float]]:
    """Return queries, references and a threshold by the name of the input."""
    random = np.random.default_rng(1)
    count = QUERIES + REFERENCES

    def split(vectors: npt.ArrayLike, threshold: float) -> tuple[Float32, Float32, float]:
        unit = normalise(vectors)
        return unit[:QUERIES], unit[QUERIES:], threshold

    centre = random.standard_normal(DIM)
    cluster = centre + 0.1 * random.standard_normal((count, DIM))
    return {
        "signs, 256 dimensions": split(np.sign(random.standard_normal((count, 256))), 0.0),
        "bits, 256 dimensions": split(random.integers(0, 2, (count, 256)), 0.5),
        "tight cluster at 0.99": split(cluster, 0.99),
        "tight cluster at -1": split(cluster, -1.0),
        "identical vectors": split(np.tile(centre, (count, 1)), 1.0),
        "random directions at -1": split(random.standard_normal((count, DIM)), -1.0),
        "random directions at 0.12": split(random.standard_normal((count, DIM)), 0.12),
        "3 dimensions at 0.9999": split(random.standard_normal((count, 3)), 0.9999),
    }


def rounded(queries: Float32, references: Float32) -> Any:
    """Return the float64 matrix of cosines, rounded to six decimals."""
    return np.round(queries.astype(np.float64) @ references.T.astype(np.float64), 6)


def ways(
    queries: Float32, references: Float32, threshold: float
) -> dict[str, dict[str, Callable[[int], Any]]]:
    """Return for each task NumPy's way and vecsim's."""
    sketch = make_sketch(references, fit_axes(references))
    sketched = ReferenceBlock(references, sketch=sketch)

    def best(_: int) -> Any:
        matrix = rounded(queries, references)
        places = np.argpartition(matrix, -K, axis=1)[:, -K:]
        return places, np.take_along_axis(matrix, places, 1)

    return {
        "range search": {
            "NumPy": lambda _: np.nonzero(rounded(queries, references) >= threshold),
            "vecsim": lambda _: range_search(queries, sketched, threshold),
        },
        f"top {K}": {"NumPy": best, "vecsim": lambda _: top_k(queries, [sketched], K)},
    }


def measure(name: str, repeats: int) -> list[dict[str, Any]]:
    """Measure one input; check the pairs of the range search."""
    queries, references, threshold = inputs()[name]
    truth = rounded(queries, references)

    def verify(way: str, repeat: int, found: Any) -> None:
        if isinstance(found, Pairs):
            # NumPy rounds products of norms that are 1 only nearly: near the middle, by one unit.
            assert np.abs(truth[found.query, found.reference] - found.score).max(initial=0) < 2e-6

    rows = []
    for task, both in ways(queries, references, threshold).items():
        measured = interleaved(both, repeats, verify)
        ratio = measured["vecsim"].median_cpu / measured["NumPy"].median_cpu
        rows.append(
            {
                "input": name,
                "task": task,
                "NumPy: s": round(measured["NumPy"].median_cpu, 3),
                "vecsim: s": round(measured["vecsim"].median_cpu, 3),
                "times NumPy": round(ratio, 2),
            }
        )
    return rows


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = [row for name in inputs() for row in measure(name, options.repeats)]
    report("worst_inputs", rows, options.output)


if __name__ == "__main__":
    main()
