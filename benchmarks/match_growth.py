"""Time per pair as the sets grow: 20k x 20k, 20k x 1M and 1M x 1M (x 768).

    python benchmarks/match_growth.py [--count 1000000] [--share 0.012] [--output FILE.json]

The vectors lie between real embeddings, seeded. Of the last match, only a share of the query blocks
is measured, evenly spread, since every block does the same work; the table shows the share. The
pairs of some queries of each match are compared with the float64 oracle.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.records import Float32
from vecsim.results import Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.sketch import make_sketch

sys.path.insert(0, str(Path(__file__).parent))
from _common import interpolated, peak_memory, report, true_pairs

SMALL = 20_000
AT_ONCE = 4000
THRESHOLD = 0.845
VERIFIED = 20  # queries of each size


def measure(queries: Float32, block: ReferenceBlock, share: float) -> dict[str, Any]:
    """Measure time, pairs and memory of a share of the query blocks of one match."""
    starts = np.arange(0, len(queries), AT_ONCE)
    starts = starts[:: max(1, round(1 / share))]
    compared = found = 0
    with peak_memory() as peak:  # which also warms up
        range_search(queries[:AT_ONCE], block, THRESHOLD)
    wall, cpu = time.perf_counter(), time.process_time()
    for start in starts:
        part = queries[start : start + AT_ONCE]
        pairs = range_search(part, block, THRESHOLD)
        compared += len(part) * len(block)
        found += len(pairs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    verify(part[:VERIFIED], block.vectors, pairs)
    return {
        "queries": len(queries),
        "references": len(block),
        "share": round(compared / len(queries) / len(block), 3),
        "seconds": round(wall, 2),
        "ns a pair": round(wall / compared * 1e9, 3),
        "processor ns a pair": round(cpu / compared * 1e9, 3),
        "found": found,
        "peak MB": round(peak[0]),
    }


def verify(queries: Float32, references: Float32, found: Pairs) -> None:
    """Compare the pairs of the first queries with those of the oracle."""
    pairs, scores = true_pairs(queries, references, THRESHOLD)
    mine = found.take(found.query < len(queries))
    order = np.lexsort((mine.reference, mine.query))
    assert np.array_equal(mine.query[order], pairs[:, 0])
    assert np.array_equal(mine.reference[order], pairs[:, 1])
    assert np.array_equal(mine.score[order], scores)


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.012)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    many, few = interpolated(options.count, seed=1), interpolated(SMALL, seed=2)
    axes = fit_axes(many)
    whole = ReferenceBlock(many, sketch=make_sketch(many, axes))
    part = ReferenceBlock(many[:SMALL], sketch=make_sketch(many[:SMALL], fit_axes(many[:SMALL])))
    rows = [
        measure(few, part, 1),
        measure(few, whole, 1),
        measure(many, whole, options.share),
    ]
    report("match_growth", rows, options.output)


if __name__ == "__main__":
    main()
