"""How fast each model embeds prepared pictures, in pictures per second.

    python benchmarks/embed_models.py mobilenet mobilenet-0.75-224=FILE.h5 phash

A MobileNet without a file gets random weights: they cost the same time. Compared are Keras'
`model.predict` in batches of 32 (what the predecessor calls), LiteRT with batches of 1, 8 and 32
in one interpreter of 1 and 2 threads, and vecsim's own embedder. All take turns in each repeat, so
that a busy neighbour slows them alike; the figure is the median over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.models import load_embedder
from vecsim.models.conversion import read_cached
from vecsim.models.families.mobilenet import build_mobilenet
from vecsim.models.family import ModelSpec
from vecsim.models.inference import quiet_stderr, scale_pixels
from vecsim.models.keras_embedder import import_tensorflow
from vecsim.models.registry import find_spec
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
    """Return vecsim's own way."""
    embedder = load_embedder(spec.name, weights=weights, device="cpu", threads=threads)
    return lambda: embedder.embed(pixels)


def plain_litert(flatbuffer: bytes, batch: int, threads: int) -> Callable[[UInt8], None]:
    """Return LiteRT as its tutorial runs it: one interpreter, resized to the batch."""
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
    """Make a weights file of the right shapes."""
    path = folder / f"{spec.name}.weights.h5"
    with quiet_stderr():
        build_mobilenet(spec, None).save_weights(path)
    return path


def measure(ways: Ways, count: int, repeats: int) -> dict[str, dict[str, float]]:
    """Return median, slowest and fastest pictures per second of each way, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(repeats):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {
        name: {
            "median": count / statistics.median(times),
            "slowest": count / max(times),
            "fastest": count / min(times),
        }
        for name, times in seconds.items()
    }


def main() -> None:
    """Measure the models of the command line; print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME[=WEIGHTS.h5]")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    import_tensorflow()
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "platform": platform.platform()}
    report: dict[str, Any] = {"machine": machine, "pictures": options.pictures, "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VECSIM_CACHE"] = folder  # random weights are not worth keeping
        for argument in options.models:
            name, _, given = argument.partition("=")
            spec = find_spec(name)
            size, mode = spec.preparation.size, spec.preparation.mode
            shape = (options.pictures, size, size) + ((3,) if mode == "RGB" else ())
            pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
            if spec.kind == "mobilenet":
                weights = Path(given) if given else random_weights(spec, Path(folder))
                ways = ways_of_mobilenet(spec, weights, pixels, options.threads)
            else:
                ways = {"vecsim": embed_with(spec, None, pixels, None)}
            figures = measure(ways, options.pictures, options.repeats)
            report["models"][spec.name] = figures
            print(f"\n{spec.name}, pictures per second (median, slowest, fastest)")
            for way, rate in figures.items():
                print(f"  {way:28}" + "".join(f"{value:9.1f}" for value in rate.values()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
