"""One vector against a million (x 768): top-10 and range search, vecsim against FAISS flat.

    python benchmarks/match_one.py [--count 1000000] [--repeats 20] [--output FILE.json]

`Index.query` is the call of the library, with a vector, on an index on disk; its result has ids,
and the ten best without further ones that tie. Below it stands the search alone (`vecsim.search`),
arrays in and arrays out. The references lie between real embeddings, seeded; each repeat has
another real query. Every result of vecsim is compared with all scores of that query in float64.
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

from vecsim import Index
from vecsim.records import Float32
from vecsim.results import Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise, score_matrix
from vecsim.search.sketch import make_sketch
from vecsim.search.top_k import top_k

sys.path.insert(0, str(Path(__file__).parent))
from _common import features, interleaved, interpolated, report

K = 10
THRESHOLD = 0.845


def verify(queries: Float32, references: Float32) -> Callable[[str, int, Any], None]:
    """Return a check that compares results of vecsim with all float64 scores of the query."""

    def check(name: str, repeat: int, found: Any) -> None:
        if "vecsim" not in name:
            return
        query = queries[repeat : repeat + 1] if repeat >= 0 else queries[-1:]
        if not isinstance(found, Pairs):
            query = normalise(query)  # as the call does with any vector
        scores = np.concatenate(
            [
                score_matrix(query, references[start : start + 65_536])[0]
                for start in range(0, len(references), 65_536)
            ]
        )
        least = np.partition(scores, -K)[-K] if "top" in name else THRESHOLD
        wanted = np.flatnonzero(scores >= least)
        if isinstance(found, Pairs):
            rows, found_scores = found.reference, found.score
        else:
            rows, found_scores = found["reference_id"].astype(np.int64), found["score"]
            order = sorted(wanted.tolist(), key=lambda row: (-scores[row], str(row)))
            wanted = np.sort(order[:K] if "top" in name else order)
        assert np.array_equal(np.sort(rows), wanted), name
        assert np.array_equal(found_scores, scores[rows]), name

    return check


def measure(count: int, repeats: int, folder: Path) -> list[dict[str, Any]]:
    """Measure all ways, verify, and return the rows of a table; an index is made in `folder`."""
    references = interpolated(count, seed=1)
    Index.from_vectors(folder / "index", references, [str(row) for row in range(count)]).close()
    index = Index.open(folder / "index")
    # What an index stores is normalised again, which changes last bits.
    for start in range(0, count, 65_536):
        references[start : start + 65_536] = index.snapshot.slice(start, start + 65_536)[1]
    queries = features()[0][:: 13_500 // (repeats + 1)]
    flat = faiss.IndexFlatIP(references.shape[1])
    flat.add(references)
    block = ReferenceBlock(references, sketch=make_sketch(references, fit_axes(references)))
    one = lambda repeat: queries[repeat : repeat + 1] if repeat >= 0 else queries[-1:]  # noqa: E731
    rows = []
    for work, ways in {
        "top-10": {
            "FAISS flat": lambda repeat: flat.search(one(repeat), K),
            "vecsim, Index.query": lambda repeat: index.query(one(repeat), top_k=K).to_numpy(),
            "vecsim's search alone": lambda repeat: top_k(one(repeat), [block], K),
        },
        "range": {
            "FAISS flat": lambda repeat: flat.range_search(one(repeat), THRESHOLD),
            "vecsim, Index.query": lambda repeat: index.query(
                one(repeat), threshold=THRESHOLD
            ).to_numpy(),
            "vecsim's search alone": lambda repeat: range_search(one(repeat), block, THRESHOLD),
        },
    }.items():
        named = {f"{work}, {name}": way for name, way in ways.items()}
        measured = interleaved(named, repeats, verify(queries, references))
        base = measured[f"{work}, FAISS flat"]
        rows += [
            {
                "work": name,
                "references": count,
                "ms": round(1000 * result.median, 2),
                "x FAISS": round(base.median / result.median, 1),
                "processor ms": round(1000 * result.median_cpu, 2),
                "x FAISS (processor)": round(base.median_cpu / result.median_cpu, 1),
                "peak MB": round(result.peak_mb),
            }
            for name, result in measured.items()
        ]
    return rows


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report("match_one", measure(options.count, options.repeats, Path(folder)), options.output)


if __name__ == "__main__":
    main()
