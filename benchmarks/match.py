"""Match of two sets of real embeddings (13,501 x 21,221 x 768): vecsim, NumPy, FAISS, scikit-learn.

    python benchmarks/match.py [--repeats 5] [--thresholds 0.845 0.9] [--output FILE.json]

`match(a, b).to_numpy()` is the call of the library on two indexes on disk, ids included. Below it
stands the search alone (`vecsim.search`), arrays in and arrays out: with sketches made beforehand,
and with axes and sketches made and counted. Every result of vecsim is compared with a float64
oracle. Thresholds differ a little from repeat to repeat. scikit-learn takes part where it is
installed. Then the same with random vectors (seeded), for which no bound helps: vecsim has to
detect this, and is measured beside FAISS's flat search, which it then uses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from vecsim import Index, match
from vecsim.records import Float32, Int64
from vecsim.results import Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import Queries, ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.sketch import Sketch, make_sketch

sys.path.insert(0, str(Path(__file__).parent))
from _common import features, interleaved, report, true_pairs

QUERIES_AT_ONCE = 4096
STEP = 1e-6  # from the threshold of one repeat to that of the next
RANDOM_COUNTS = (4096, 20_000)  # queries and references
RANDOM_THRESHOLD = 0.17


def search(
    queries: Float32, block: ReferenceBlock, threshold: float, own: Sketch | None = None
) -> Pairs:
    """Search in blocks of queries, as the local engine does; `own`: the queries' sketch."""
    found = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        some = Queries(queries[part], own and own.slice_rows(part))
        pairs = range_search(some, block, threshold)
        found.append(Pairs(pairs.query + start, pairs.reference, pairs.score))
    return Pairs.concatenate(found)


def full_matrix(queries: Float32, references: Float32, threshold: float) -> Any:
    """Do what the predecessor does: norms, the whole float32 matrix, a threshold."""
    one = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    two = references / np.linalg.norm(references, axis=1, keepdims=True)
    return np.nonzero(one @ two.T >= threshold)


def make_index(path: Path, vectors: Float32) -> Index:
    """Make an index of `vectors` whose ids are their row numbers."""
    Index.from_vectors(path, vectors, [str(row) for row in range(len(vectors))]).close()
    return Index.open(path)


def vecsim_ways(
    queries: Float32, references: Float32, folder: Path
) -> dict[str, Callable[[float], Any]]:
    """Return the ways in which vecsim takes part, by name: each takes a threshold."""
    a, b = make_index(folder / "a", queries), make_index(folder / "b", references)
    axes = fit_axes(references)
    block = ReferenceBlock(references, sketch=make_sketch(references, axes))
    own = make_sketch(queries, axes)

    def cold(threshold: float) -> Pairs:
        sketch = make_sketch(references, fit_axes(references))
        return search(queries, ReferenceBlock(references, sketch=sketch), threshold)

    return {
        "vecsim match(a, b).to_numpy()": lambda t: match(a, b, threshold=t).to_numpy(),
        "search alone, cold": cold,
        "search alone, warm": lambda t: search(queries, block, t),
        "search alone, warm, same axes": lambda t: search(queries, block, t, own),
    }


def baselines(queries: Float32, references: Float32) -> dict[str, Callable[[float], Any]]:
    """Return the other ways by name: each takes a threshold."""
    dim = references.shape[1]
    flat = faiss.IndexFlatIP(dim)
    flat.add(references)
    pca = faiss.PCAMatrix(dim, dim)
    pca.train(np.concatenate([queries, references])[::4])
    rotation = faiss.vector_to_array(pca.A).reshape(dim, dim).T.copy()
    panorama = faiss.IndexFlatIPPanorama(dim, 16)
    panorama.add(references @ rotation)

    def panorama_cold(threshold: float) -> Any:
        index = faiss.IndexFlatIPPanorama(dim, 16)
        index.add(references @ rotation)
        return index.range_search(queries @ rotation, threshold)

    return {
        "NumPy full matrix": lambda t: full_matrix(queries, references, t),
        "FAISS flat": lambda t: flat.range_search(queries, t),
        "FAISS Panorama, both rotated": panorama_cold,
        "FAISS Panorama, queries rotated": lambda t: panorama.range_search(queries @ rotation, t),
    } | scikit_learn(queries, references)


def scikit_learn(queries: Float32, references: Float32) -> dict[str, Callable[[float], Any]]:
    """Return its exact search within a radius: the distance of unit vectors at a cosine."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        return {}
    neighbours = NearestNeighbors(algorithm="brute", n_jobs=-1).fit(references)
    name = "scikit-learn radius_neighbors"
    return {name: lambda t: neighbours.radius_neighbors(queries, np.sqrt(2 - 2 * t))}


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


def match_random(repeats: int) -> list[dict[str, Any]]:
    """Measure random vectors: vecsim, with FAISS's search passed in, beside FAISS alone."""
    random = np.random.default_rng(1)
    queries, references = (
        normalise(random.standard_normal((count, 768), np.float32)) for count in RANDOM_COUNTS
    )
    flat = faiss.IndexFlatIP(references.shape[1])
    flat.add(references)

    def propose(some: Float32, threshold: float) -> tuple[Int64, Int64]:
        limits, _, rows = flat.range_search(some, threshold)
        return np.repeat(np.arange(len(some)), np.diff(limits.astype(np.int64))), rows

    block = ReferenceBlock(references, propose, make_sketch(references, fit_axes(references)))
    pairs, scores = true_pairs(queries, references, RANDOM_THRESHOLD)

    def threshold_of(repeat: int) -> float:
        return RANDOM_THRESHOLD + (repeat + 1) * STEP

    def verify(name: str, repeat: int, found: Any) -> None:
        if isinstance(found, Pairs):
            expected = scores >= threshold_of(repeat)
            assert np.array_equal(np.sort(found.score), np.sort(scores[expected])), name
            assert len(found) == expected.sum() > 0

    ways = {
        "FAISS flat": lambda repeat: flat.range_search(queries, threshold_of(repeat)),
        "search alone, warm": lambda repeat: search(queries, block, threshold_of(repeat)),
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


def match_real(repeats: int, thresholds: list[float], folder: Path) -> list[dict[str, Any]]:
    """Measure the real embeddings at each threshold; indexes are made in `folder`."""
    queries, references = features()
    pairs, scores = true_pairs(queries, references, min(thresholds) - STEP)
    ways = baselines(queries, references) | vecsim_ways(queries, references, folder)
    rows = []
    for threshold in thresholds:
        runs = {
            name: (lambda repeat, work=work, base=threshold: work(base + repeat * STEP))
            for name, work in ways.items()
        }
        measured = interleaved(runs, repeats, verify_real(pairs, scores, threshold))
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
    return rows


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.845, 0.90])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = match_real(options.repeats, options.thresholds, Path(folder))
    report("match", rows, options.output)
    print("\nRandom vectors:\n")
    report("match_random", match_random(options.repeats), None)


if __name__ == "__main__":
    main()
