"""Match of two sets of real embeddings (13,501 x 21,221 x 768): vecsim, NumPy, FAISS, scikit-learn.

    python benchmarks/match.py [--repeats 5] [--thresholds 0.845 0.9] [--output FILE.json]
        [--only library|command|random]

`match(a, b).to_numpy()` is the call of the library on two indexes on disk, ids included. Below it
stands the search alone (`vecsim.search`), arrays in and arrays out: with sketches made beforehand,
and with axes and sketches made and counted. A second table has whole processes: `vecsim match` on
two indexes beside a script with NumPy (`_numpy_match.py`), from their start until the CSV file is
complete. Every result of vecsim is compared with a float64 oracle. Thresholds differ a little from
repeat to repeat. scikit-learn takes part where it is installed. Then the same with random vectors
(seeded), for which no bound helps: vecsim has to detect this, and is measured beside FAISS's flat
search.
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
from _common import (
    compiled_environment,
    features,
    interleaved,
    machine,
    report,
    run_process,
    true_pairs,
    vecsim_command,
)
from _match_results import STEP, as_rows, verify_real

QUERIES_AT_ONCE = 4096
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


def make_index(path: Path, vectors: Float32) -> tuple[Index, Float32]:
    """Make an index of `vectors` whose ids are their row numbers; return the stored ones too.

    An index normalises what it is given, which can change the last bits of unit vectors.
    """
    Index.from_vectors(path, vectors, [str(row) for row in range(len(vectors))]).close()
    index = Index.open(path)
    return index, index.snapshot.slice(0, len(index))[1].copy()


def vecsim_ways(
    a: Index, b: Index, queries: Float32, references: Float32
) -> dict[str, Callable[[float], Any]]:
    """Return the ways in which vecsim takes part, by name: each takes a threshold.

    `queries`, `references`: as the indexes `a` and `b` store them.
    """
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


def write_inputs(folder: Path, vectors: Float32) -> Float32:
    """Write an index, and the files of the script with NumPy; ids are the numbers of rows.

    Returns the stored vectors.
    """
    folder.mkdir()
    index, stored = make_index(folder / "index", vectors)
    index.close()
    np.save(folder / "vectors.npy", stored)
    (folder / "ids.txt").write_text("".join(f"{row}\n" for row in range(len(stored))))
    return stored


def match_commands(repeats: int, threshold: float, folder: Path) -> list[dict[str, Any]]:
    """Measure whole processes, from their start to their end, that write pairs as CSV."""
    sides = [folder / "queries", folder / "references"]
    queries, references = map(write_inputs, sides, features())
    pairs, scores = true_pairs(queries, references, threshold - STEP)
    environment, output = compiled_environment(), folder / "pairs.csv"
    memory: dict[str, float] = {}

    def run(name: str, repeat: int, command: list[object]) -> Path:
        at = str(round(threshold + repeat * STEP, 6))
        words = [at if word == "THRESHOLD" else str(word) for word in command]
        memory[name] = run_process(words, environment)[1]
        return output

    script = Path(__file__).with_name("_numpy_match.py")
    indexes = [side / "index" for side in sides]
    options = ["--threshold", "THRESHOLD", "--output", output]
    commands: dict[str, list[object]] = {
        "NumPy script": [sys.executable, script, *sides, "THRESHOLD", output],
        "vecsim match A B -o pairs.csv": [*vecsim_command("match", *indexes), *options],
    }
    check = verify_real(pairs, scores, threshold)

    def verify(name: str, repeat: int, found: Path) -> None:
        if name != "NumPy script":
            rows = np.loadtxt(found, delimiter=",", skiprows=1, usecols=(0, 2, 4), ndmin=2)
            query, reference = rows[:, :2].astype(np.int64).T
            check(name, repeat, Pairs(query, reference, rows[:, 2]))

    works = {
        name: (lambda repeat, name=name, command=command: run(name, repeat, command))
        for name, command in commands.items()
    }
    measured = interleaved(works, repeats, verify)
    for name, result in measured.items():
        result.peak_mb = memory[name]
    return as_rows(measured, "NumPy script", threshold)


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
    given = features()
    (a, queries), (b, references) = (
        make_index(folder / name, some) for name, some in zip("ab", given, strict=True)
    )
    pairs, scores = true_pairs(queries, references, min(thresholds) - STEP)
    ways = baselines(queries, references) | vecsim_ways(a, b, queries, references)
    rows = []
    for threshold in thresholds:
        runs = {
            name: (lambda repeat, work=work, base=threshold: work(base + repeat * STEP))
            for name, work in ways.items()
        }
        measured = interleaved(runs, repeats, verify_real(pairs, scores, threshold))
        rows += as_rows(measured, "NumPy full matrix", threshold)
    return rows


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.845, 0.90])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", choices=["library", "command", "random"])
    options = parser.parse_args()
    chosen = options.only
    with tempfile.TemporaryDirectory() as folder:
        if chosen in (None, "library"):
            rows = match_real(options.repeats, options.thresholds, Path(folder))
            report("match", rows, options.output)
        if chosen in (None, "command"):
            print("\nWhole processes:\n")
            threshold = options.thresholds[0]
            report("command", match_commands(options.repeats, threshold, Path(folder)), None)
    if chosen in (None, "random"):
        print("\nRandom vectors:\n")
        report("match_random", match_random(options.repeats), None)
    print(f"\nLoad at the end: {machine()['load']:.1f}")


if __name__ == "__main__":
    main()
