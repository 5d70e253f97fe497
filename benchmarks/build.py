"""CSV to index, from URLs on loopback: images a second, beside the predecessor's way.

    python benchmarks/build.py --count 3000 --repeats 5

Each run is a process of its own from start to end; the two ways take turns. Also measured, alone
and in one thread each: decoding and inference, whose sum says what the cores allow.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _photos import make_photos, serve

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("VECSIM_SHARED", HERE.parent.parent / "shared"))
WEIGHTS = "weights/mobilenet_7_5_224_tf_no_top.h5"


def timed(command: list[str]) -> float:
    """Wall seconds of a whole process."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


def core_seconds(photos: Path, names: list[str], model: str, weights: Path | None) -> Any:
    """Core-seconds an image for decoding and for inference (batches of 32), each alone."""
    from vecsim.decode import decode_image
    from vecsim.models import load_embedder

    embedder = load_embedder(model, weights=weights, threads=1)
    data = [(photos / name).read_bytes() for name in names[:320]]
    decode, embed = [], []
    for _ in range(3):
        start = time.process_time()
        pictures = [decode_image(image, embedder.preparation).pixels for image in data]
        decode.append((time.process_time() - start) / len(data))
        start = time.process_time()
        for first in range(0, len(pictures), 32):
            embedder.embed(np.stack(pictures[first : first + 32]))
        embed.append((time.process_time() - start) / len(pictures))
    return statistics.median(decode), statistics.median(embed)


@click.command()
@click.option("--count", default=3000, show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--models", default="mobilenet-0.75-224", show_default=True, help="Comma-separated.")
@click.option("--processes", default=4, show_default=True, help="Of the predecessor's way.")
@click.option("--workers", default=16, show_default=True)
@click.option("--baseline/--no-baseline", default=True, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    count: int,
    repeats: int,
    models: str,
    processes: int,
    workers: int,
    baseline: bool,
    json_file: Path | None,
) -> None:
    """Measure CSV to index."""
    weights = SHARED / WEIGHTS
    photos = Path(tempfile.gettempdir()) / f"vecsim-benchmark-photos-{count}"
    names = make_photos(SHARED, photos, count)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary, serve(photos) as host:
        work = Path(temporary)
        source = work / "photos.csv"
        with source.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "url"])
            writer.writerows([name, f"{host}/{name}"] for name in names)
        for _ in range(repeats):
            for model in models.split(","):
                index = work / "index"
                shutil.rmtree(index, ignore_errors=True)
                command = [sys.executable, "-m", "vecsim", "--quiet", "build-index", str(index)]
                command += [str(source), "--model", model, "--workers", str(workers)]
                command += ["--per-host", str(workers)]
                if model.startswith("mobilenet"):
                    command += ["--weights", str(weights)]
                times.setdefault(model, []).append(timed(command))
            if baseline:
                command = [sys.executable, str(HERE / "_predecessor.py"), str(source)]
                command += [str(weights), "0.75", str(processes)]
                times.setdefault("the predecessor's way", []).append(timed(command))
    rows = []
    base = statistics.median(times.get("the predecessor's way", [float("nan")]))
    for name, runs in times.items():
        median = statistics.median(runs)
        row: dict[str, Any] = {"way": name, "img/s": count / median, "ratio": base / median}
        if name in models.split(","):
            own_weights = weights if name.startswith("mobilenet") else None
            decode, embed = core_seconds(photos, names, name, own_weights)
            allowed = (os.cpu_count() or 1) / (decode + embed)
            row |= {"decode ms": 1e3 * decode, "embed ms": 1e3 * embed}
            row |= {"share of what the cores allow": count / median / allowed}
        rows.append(row)
    for row in rows:
        print(
            "  ".join(f"{k}: {v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items())
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {peak:.0f} MB; {count} images, {repeats} runs each, medians")
    if json_file:
        json_file.write_text(json.dumps({"times": times, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
