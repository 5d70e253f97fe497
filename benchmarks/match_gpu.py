"""A match of two indexes with candidates from a GPU, beside the same match on the processor.

    python benchmarks/match_gpu.py [--count 1000000] [--device cuda] [--repeats 3]

The vectors lie between real embeddings, seeded, 768 numbers each. Both ways go through the
library's `match`, and must give equal pairs; the first call of each, which warms up, is not timed.
`--device cpu` runs the same code on the processor by PyTorch: it shows that it is right, not how
fast it is. `--gpu-only` leaves out the processor, which takes a quarter of an hour for a million.
With `--folder` the indexes stay there for the next time; `--build-only` makes them and ends.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from vecsim import Index, match
from vecsim.engines.engine import EngineOptions
from vecsim.engines.gpu import GpuEngine

sys.path.insert(0, str(Path(__file__).parent))
from _common import interleaved, interpolated, report

THRESHOLD = 0.845


def built(folder: Path, count: int) -> list[Path]:
    """Return two indexes of `count` vectors in `folder`, made unless they are there, complete."""
    paths = [folder / f"{name}-{count}" for name in "ab"]
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(len(paths), get_context("spawn")) as pool:
        list(pool.map(build, paths, range(len(paths)), [count] * len(paths)))
    return paths


def build(path: Path, seed: int, count: int) -> None:
    """Build one index of `count` vectors, unless it is there, complete."""
    done = path.with_suffix(".done")
    if not done.exists():
        shutil.rmtree(path, ignore_errors=True)
        began = time.perf_counter()
        ids = [str(number) for number in range(count)]
        Index.from_vectors(path, interpolated(count, seed), ids).close()
        done.touch()
        print(f"{path.name}: built in {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gpu-only", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the indexes here; use those of before")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    GpuEngine.device = arguments.device
    with tempfile.TemporaryDirectory() as temporary:
        paths = built(arguments.folder or Path(temporary), arguments.count)
        if arguments.build_only:
            return
        with Index(paths[0]) as left, Index(paths[1]) as right:

            def matching(engine: str) -> Callable[[int], Any]:
                options = EngineOptions(engine)

                def run(repeat: int) -> Any:
                    began = time.perf_counter()
                    found = match(left, right, threshold=THRESHOLD, engine=options)
                    matched = time.perf_counter() - began
                    pairs = found.to_numpy()
                    took = time.perf_counter() - began
                    print(
                        f"{engine} {repeat}: {matched:.1f} s, with array {took:.1f} s", flush=True
                    )
                    return pairs

                return run

            ways = {"GPU": matching("gpu")}
            if not arguments.gpu_only:
                ways["processor"] = matching("local")
            found: list[Any] = []

            def verify(name: str, repeat: int, pairs: Any) -> None:
                found[len(found[:1]) :] = [pairs]
                if not np.array_equal(found[0], found[-1]):
                    sys.exit(f"{name}, repeat {repeat}: other pairs than before")

            timed = interleaved(ways, arguments.repeats, verify)
    rows = [
        {
            "way": name,
            "s": round(timing.median, 2),
            "pairs compared/s": f"{arguments.count**2 / timing.median:.2g}",
            "pairs found": len(found[0]),
        }
        for name, timing in timed.items()
    ]
    report("match_gpu", rows, arguments.output)


if __name__ == "__main__":
    main()
