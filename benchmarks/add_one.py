"""Time and bytes written to add one vector, in an index of a million and in one of a thousand.

    python benchmarks/add_one.py [--count 1000000] [--adds 1000] [--repeats 5] [--output FILE.json]

Each add is a call of `Index.add_vectors` with one vector: it takes the lock, commits durably and
merges segments when that is due. The two indexes alternate, add by add. The figure of a run is the
mean over its adds, the result the median over the runs. Each run makes a new small index.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vecsim import Index
from vecsim.records import Float32

sys.path.insert(0, str(Path(__file__).parent))
from _common import interpolated, report

SMALL = 1000


def written() -> int:
    """Return how many bytes this process has passed to write calls so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def add(index: Index, vector: Float32, name: str) -> tuple[float, int]:
    """Add one vector; return the seconds and the bytes written."""
    bytes_before, started = written(), time.perf_counter()
    index.add_vectors(vector[None], [name])
    return time.perf_counter() - started, written() - bytes_before


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--adds", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    vectors = interpolated(options.count, seed=1)
    new = interpolated(options.adds * options.repeats, seed=2)
    few = interpolated(SMALL, seed=3)
    names = [str(number) for number in range(options.count)]
    means: dict[int, list[tuple[float, float]]] = {SMALL: [], options.count: []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        large = Index.from_vectors(folder / "large", vectors, names)
        del vectors
        for run in range(options.repeats):
            start = run * options.adds
            shutil.rmtree(folder / "small", ignore_errors=True)
            small = Index.from_vectors(folder / "small", few, names[:SMALL])
            done: dict[int, list[tuple[float, int]]] = {SMALL: [], options.count: []}
            for number in range(start, start + options.adds):
                for size, index in ((SMALL, small), (options.count, large)):
                    done[size].append(add(index, new[number], f"new {number}"))
            for size, adds in done.items():
                means[size].append(
                    (statistics.fmean(s for s, _ in adds), statistics.fmean(b for _, b in adds))
                )
        assert len(large) == options.count + options.adds * options.repeats
        assert len(small) == SMALL + options.adds
    seconds = {size: statistics.median(s for s, _ in runs) for size, runs in means.items()}
    bytes_ = {size: statistics.median(b for _, b in runs) for size, runs in means.items()}
    rows: list[dict[str, Any]] = [
        {
            "vectors": size,
            "ms an add": round(1000 * seconds[size], 2),
            "x small": round(seconds[size] / seconds[SMALL], 2),
            "kB an add": round(bytes_[size] / 1000, 1),
            "x small (bytes)": round(bytes_[size] / bytes_[SMALL], 2),
        }
        for size in means
    ]
    report("add_one", rows, options.output)


if __name__ == "__main__":
    main()
