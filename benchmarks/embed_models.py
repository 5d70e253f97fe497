"""Measures how fast each model embeds prepared pictures, in pictures per second.

    python benchmarks/embed_models.py mobilenet mobilenet-0.75-224=FILE.h5 phash

A MobileNet without a file gets random weights: they cost the same time. Compared are Keras'
`model.predict` in batches of 32 (what the predecessor calls), LiteRT with batches of 1, 8 and 32
in one interpreter of 1 and 2 threads, and vecsim's own embedder. All take turns in each repeat, so
that other load on the machine slows all of them; the figure is the median over the repeats.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import interleaved, report

from vecsim.models import load_embedder
from vecsim.models.conversion import read_cached
from vecsim.models.families.mobilenet import MOBILENET, build_mobilenet
from vecsim.models.family import ModelSpec
from vecsim.models.inference import import_tensorflow, quiet_stderr, scale_pixels
from vecsim.models.registry import find_model
from vecsim.protocols import Preparation
from vecsim.records import UInt8

Ways = dict[str, Callable[[], object]]


def ways_of_mobilenet(spec: ModelSpec, weights: Path, pixels: UInt8, threads: list[int]) -> Ways:
    """Return each way to embed `pixels` with one MobileNet."""
    embedder = load_embedder(spec.name, weights=weights, device="cpu")
    flatbuffer = read_cached(spec, embedder.fingerprint.weights_sha256)
    if flatbuffer is None:
        raise SystemExit("the cache of converted models cannot be written; see VECSIM_CACHE")
    with quiet_stderr():
        model = build_mobilenet(spec, str(weights))
    ways: Ways = {
        "model.predict, batch 32": lambda: model.predict(
            scale_pixels(pixels), batch_size=32, verbose=0
        )
    }
    for batch in (1, 8, 32):
        for count in threads:
            run = plain_litert(flatbuffer, batch, count)
            name = f"LiteRT, batch {batch}, threads {count}"
            ways[name] = lambda run=run: run(pixels)  # type: ignore[misc]
    ways["vecsim, one core"] = embed_with(spec, weights, pixels, threads=1)
    ways["vecsim, all cores"] = embed_with(spec, weights, pixels, threads=None)
    return ways


def embed_with(
    spec: ModelSpec, weights: Path | None, pixels: UInt8, threads: int | None
) -> Callable[[], object]:
    """Return a call of vecsim's own embedder."""
    embedder = load_embedder(spec.name, weights=weights, device="cpu", threads=threads)
    return lambda: embedder.embed(pixels)


def plain_litert(flatbuffer: bytes, batch: int, threads: int) -> Callable[[UInt8], None]:
    """Return a run of LiteRT as its tutorial does it: one interpreter, resized to the batch."""
    with quiet_stderr():
        from ai_edge_litert.interpreter import Interpreter

        interpreter: Any = Interpreter(model_content=flatbuffer, num_threads=threads)
        source = interpreter.get_input_details()[0]
        target = interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(source["index"], (batch, *source["shape"][1:]))
        interpreter.allocate_tensors()

    def run(pixels: UInt8) -> None:
        for start in range(0, len(pixels), batch):
            interpreter.set_tensor(source["index"], scale_pixels(pixels[start : start + batch]))
            interpreter.invoke()
            interpreter.get_tensor(target)

    return run


def random_weights(spec: ModelSpec, folder: Path) -> Path:
    """Make a weights file of the right shapes, random."""
    path = folder / f"{spec.name}.weights.h5"
    with quiet_stderr():
        build_mobilenet(spec, None).save_weights(path)
    return path


def random_pixels(preparation: Preparation, count: int) -> UInt8:
    """Make `count` prepared pictures of noise, seeded."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, *preparation.shape), dtype=np.uint8)


def rates(ways: Ways, count: int, repeats: int) -> dict[str, dict[str, float]]:
    """Measure median, slowest and fastest pictures per second of each way; they take turns."""
    measured = interleaved({name: lambda _, run=run: run() for name, run in ways.items()}, repeats)
    return {
        name: {
            "median": round(count / result.median, 1),
            "slowest": round(count / max(result.wall), 1),
            "fastest": round(count / min(result.wall), 1),
        }
        for name, result in measured.items()
    }


def main() -> None:
    """Measure the models of the command line; print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME[=WEIGHTS.h5]")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    import_tensorflow()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VECSIM_CACHE"] = folder  # random weights are not worth keeping
        for argument in options.models:
            name, _, given = argument.partition("=")
            family, spec = find_model(name)
            pixels = random_pixels(spec.preparation, options.pictures)
            if family is MOBILENET:
                weights = Path(given) if given else random_weights(spec, Path(folder))
                ways = ways_of_mobilenet(spec, weights, pixels, options.threads)
            else:
                ways = {"vecsim": embed_with(spec, None, pixels, None)}
            for way, rate in rates(ways, options.pictures, options.repeats).items():
                rows.append({"model": spec.name, "way": way, **rate})
    report("embed_models", rows, options.output)


if __name__ == "__main__":
    main()
