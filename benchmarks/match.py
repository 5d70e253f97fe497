"""Match of the real features (13,501 x 21,221 x 768): vecsim against NumPy and FAISS.

    python benchmarks/match.py [--repeats 7] [--thresholds 0.845 0.9] [--output FILE.json]

Thresholds differ a little from repeat to repeat. Every pair set of vecsim is compared with the
float64 oracle's. Warm: the sketches exist; cold: axes and sketches are made first. scikit-learn
takes part where it is installed. Then the same with vectors that have no structure (seeded), where
no bound helps and vecsim must see so: beside FAISS's flat search, which it then uses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from vecsim.records import Float32, Int64, Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import Queries, ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.sketch import Sketch, make_sketch

sys.path.insert(0, str(Path(__file__).parent))
from _common import features, interleaved, report, true_pairs

QUERIES_AT_ONCE = 4096
STEP = 1e-6  # from one repeat's threshold to the next
ISOTROPIC = (4096, 20_000)
THRESHOLD_ISOTROPIC = 0.17


def search(
    queries: Float32, block: ReferenceBlock, threshold: float, own: Sketch | None = None
) -> Pairs:
    """vecsim, as the engine calls it: blocks of queries."""
    found = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        mine = Queries(queries[part], own and own.slice_rows(part))
        pairs = range_search(mine, block, threshold)
        found.append(Pairs(pairs.query + start, pairs.reference, pairs.score))
    return Pairs.concatenate(found)


def full_matrix(queries: Float32, references: Float32, threshold: float) -> Any:
    """The predecessor's way: norms, the whole float32 matrix, a threshold."""
    one = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    two = references / np.linalg.norm(references, axis=1, keepdims=True)
    return np.nonzero(one @ two.T >= threshold)


def contestants(queries: Float32, references: Float32) -> dict[str, Callable[[float], Any]]:
    """What is compared, by name: each takes a threshold."""
    dim = references.shape[1]
    flat = faiss.IndexFlatIP(dim)
    flat.add(references)
    pca = faiss.PCAMatrix(dim, dim)
    pca.train(np.concatenate([queries, references])[::4])
    turn = faiss.vector_to_array(pca.A).reshape(dim, dim).T.copy()
    panorama = faiss.IndexFlatIPPanorama(dim, 16)
    panorama.add(references @ turn)
    axes = fit_axes(references)
    block = ReferenceBlock(references, sketch=make_sketch(references, axes))
    own = make_sketch(queries, axes)

    def panorama_cold(threshold: float) -> Any:
        index = faiss.IndexFlatIPPanorama(dim, 16)
        index.add(references @ turn)
        return index.range_search(queries @ turn, threshold)

    def cold(threshold: float) -> Pairs:
        sketch = make_sketch(references, fit_axes(references))
        return search(queries, ReferenceBlock(references, sketch=sketch), threshold)

    return {
        "NumPy full matrix": lambda t: full_matrix(queries, references, t),
        "FAISS flat": lambda t: flat.range_search(queries, t),
        "FAISS Panorama, both rotated": panorama_cold,
        "FAISS Panorama, warm (queries rotated)": lambda t: panorama.range_search(
            queries @ turn, t
        ),
        "vecsim cold": cold,
        "vecsim warm": lambda t: search(queries, block, t),
        "vecsim warm, same axes": lambda t: search(queries, block, t, own),
    }


def scikit_learn(queries: Float32, references: Float32) -> dict[str, Callable[[float], Any]]:
    """Its exact search within a radius: the distance of unit vectors at a cosine of `threshold`."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        return {}
    neighbours = NearestNeighbors(algorithm="brute", n_jobs=-1).fit(references)
    name = "scikit-learn radius_neighbors"
    return {name: lambda t: neighbours.radius_neighbors(queries, np.sqrt(2 - 2 * t))}


def isotropic(repeats: int) -> list[dict[str, Any]]:
    """Vectors without structure: vecsim, with FAISS's search handed in, beside FAISS alone."""
    random = np.random.default_rng(1)
    queries, references = (
        normalise(random.standard_normal((count, 768), np.float32)) for count in ISOTROPIC
    )
    flat = faiss.IndexFlatIP(references.shape[1])
    flat.add(references)

    def propose(some: Float32, threshold: float) -> tuple[Int64, Int64]:
        limits, _, rows = flat.range_search(some, threshold)
        return np.repeat(np.arange(len(some)), np.diff(limits.astype(np.int64))), rows

    block = ReferenceBlock(references, propose, make_sketch(references, fit_axes(references)))
    pairs, scores = true_pairs(queries, references, THRESHOLD_ISOTROPIC)

    def verify(name: str, repeat: int, found: Any) -> None:
        if isinstance(found, Pairs):
            fine = scores >= THRESHOLD_ISOTROPIC + (repeat + 1) * STEP
            assert np.array_equal(np.sort(found.score), np.sort(scores[fine])), name
            assert len(found) == fine.sum() > 0

    at = lambda repeat: THRESHOLD_ISOTROPIC + (repeat + 1) * STEP  # noqa: E731
    ways = {
        "FAISS flat": lambda repeat: flat.range_search(queries, at(repeat)),
        "vecsim": lambda repeat: search(queries, block, at(repeat)),
    }
    measured = interleaved(ways, repeats, verify)
    base = measured["FAISS flat"]
    return [
        {
            "way": name,
            "seconds": round(result.median, 3),
            "x FAISS": round(base.median / result.median, 2),
            "processor seconds": round(result.median_cpu, 3),
            "pairs": len(pairs),
        }
        for name, result in measured.items()
    ]


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.845, 0.90])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    queries, references = features()
    pairs, scores = true_pairs(queries, references, min(options.thresholds) - STEP)
    ways = contestants(queries, references) | scikit_learn(queries, references)
    rows = []
    for threshold in options.thresholds:

        def verify(name: str, repeat: int, found: Any, base: float = threshold) -> None:
            if isinstance(found, Pairs):
                fine = scores >= base + repeat * STEP
                mine = np.lexsort((found.reference, found.query))
                assert np.array_equal(found.query[mine], pairs[fine][:, 0]), name
                assert np.array_equal(found.reference[mine], pairs[fine][:, 1]), name
                assert np.array_equal(found.score[mine], scores[fine]), name

        runs = {
            name: (lambda repeat, work=work, base=threshold: work(base + repeat * STEP))
            for name, work in ways.items()
        }
        measured = interleaved(runs, options.repeats, verify)
        base = measured["NumPy full matrix"]
        for name, result in measured.items():
            rows.append(
                {
                    "threshold": threshold,
                    "way": name,
                    "seconds": round(result.median, 3),
                    "x NumPy": round(base.median / result.median, 2),
                    "processor seconds": round(result.median_cpu, 3),
                    "x NumPy (processor)": round(base.median_cpu / result.median_cpu, 2),
                    "peak MB": round(result.peak_mb),
                }
            )
    report("match", rows, options.output)
    print("\nVectors without structure:\n")
    report("match_isotropic", isotropic(options.repeats), None)


if __name__ == "__main__":
    main()
