"""Measures vectors from prepared pixels on a GPU, in pictures per second, and how close they are.

    python benchmarks/embed_gpu.py bundled mobilenet=FILE.h5 [--device gpu] [--pictures 20000]

Pixels are bytes in memory, noise, seeded; vectors come back into memory. The first call, which
compiles, is not timed. `--device torch-cpu` runs the same code without a GPU: it shows that it is
right. Vectors of 32 pictures are compared with those of a processor (`--expected FOLDER` holds them
as `cpu-NAME.npy`; by default LiteRT computes them here).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import interleaved, report

from vecsim.models import load_embedder
from vecsim.protocols import Embedder
from vecsim.records import Float32, UInt8
from vecsim.search.score import normalise

COMPARED = 32


def compared_pixels(size: int) -> UInt8:
    """Make pictures of flat squares and of noise, seeded: uint8 (32, size, size, 3)."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (COMPARED, 20, 20, 3), dtype=np.uint8)
    step = -(-size // 20)
    pixels = np.ascontiguousarray(small.repeat(step, 1).repeat(step, 2)[:, :size, :size])
    noise = pixels[COMPARED // 2 :]
    noise[:] = random.integers(0, 256, noise.shape, dtype=np.uint8)
    return pixels


def expected_vectors(name: str, weights: Path | None, folder: Path | None) -> Float32 | None:
    """Return the vectors of a processor; None where `folder` has none of this model."""
    if folder is None:
        embedder = load_embedder(name, weights=weights, device="cpu")
        return embedder.embed(compared_pixels(embedder.preparation.size))
    path = folder / f"cpu-{name}.npy"
    return np.load(path) if path.exists() else None


def distance(embedder: Embedder, expected: Float32 | None) -> str:
    """Return the largest difference of unit vectors from `expected`."""
    if expected is None:
        return "-"
    found = embedder.embed(compared_pixels(embedder.preparation.size))
    return f"{np.abs(normalise(found) - normalise(expected)).max():.1g}"


def main() -> None:
    """Measure the models of the command line; print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME[=WEIGHTS.h5]")
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--expected", type=Path, help="vectors of a processor: cpu-NAME.npy")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for argument in options.models:
        name, _, given = argument.partition("=")
        weights = Path(given) if given else None
        began = time.perf_counter()
        embedder = load_embedder(name, weights=weights, device=options.device)
        apart = distance(embedder, expected_vectors(name, weights, options.expected))
        shape = (options.pictures, *embedder.preparation.shape)
        pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        embedder.embed(pixels[:1])
        ready = time.perf_counter() - began
        ways = {name: lambda _, run=embedder.embed, given=pixels: run(given)}
        measured = interleaved(ways, options.repeats)[name]
        rows.append(
            {
                "model": name,
                "pictures/s": round(options.pictures / measured.median),
                "fastest": round(options.pictures / min(measured.wall)),
                "slowest": round(options.pictures / max(measured.wall)),
                "from the processor's": apart,
                "s until ready": round(ready, 1),
            }
        )
        print(rows[-1], flush=True)
    report("embed_gpu", rows, options.output)


if __name__ == "__main__":
    main()
