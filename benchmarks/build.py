"""CSV to index, from URLs on loopback: images a second, beside the predecessor's way.

    python benchmarks/build.py --count 3000 --repeats 5

Each run is a process of its own from start to end; the ways take turns, after one run each that is
not counted. Also measured, alone and in one thread each: decoding (with the small picture that is
kept, where one is) and inference, whose sum says what the cores allow.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _photos import make_photos, serve

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("VECSIM_SHARED", HERE.parent.parent / "shared"))
PREDECESSOR = "the predecessor's way"
WEIGHTS = "weights/mobilenet_7_5_224_tf_no_top.h5"


def timed(command: list[str]) -> float:
    """Wall seconds of a whole process."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


@dataclass(frozen=True)
class Way:
    """One way of vecsim's to an index."""

    model: str
    thumbnails: bool

    @property
    def name(self) -> str:
        """As it is called in the table."""
        return self.model + ("" if self.thumbnails else ", no thumbnails")

    @property
    def weights(self) -> Path | None:
        """The weights file of a model that needs one."""
        return SHARED / WEIGHTS if self.model.startswith("mobilenet") else None

    def command(self, index: Path, source: Path, workers: int) -> list[str]:
        """The command that makes the index."""
        command = [sys.executable, "-m", "vecsim", "--quiet", "build-index", str(index)]
        command += [str(source), "--model", self.model, "--workers", str(workers)]
        command += ["--per-host", str(workers)]
        command += ["--weights", str(self.weights)] if self.weights else []
        return command + ([] if self.thumbnails else ["--no-thumbnails"])


def core_seconds(photos: Path, names: list[str], way: Way) -> tuple[float, float]:
    """Core-seconds an image for decoding and for inference (batches of 32), each alone."""
    from vecsim.decode import decode_image
    from vecsim.models import load_embedder

    embedder = load_embedder(way.model, weights=way.weights, threads=1)
    preparation = replace(embedder.preparation, thumbnail=way.thumbnails)
    data = [(photos / name).read_bytes() for name in names[:320]]
    decode, embed = [], []
    for _ in range(3):
        start = time.process_time()
        pictures = [decode_image(image, preparation).pixels for image in data]
        decode.append((time.process_time() - start) / len(data))
        start = time.process_time()
        for first in range(0, len(pictures), 32):
            embedder.embed(np.stack(pictures[first : first + 32]))
        embed.append((time.process_time() - start) / len(pictures))
    return statistics.median(decode), statistics.median(embed)


@click.command()
@click.option("--count", default=3000, show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option(
    "--models", default="mobilenet-0.75-224,bundled", show_default=True, help="Comma-separated."
)
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
    ways = [Way(model, kept) for model in models.split(",") for kept in (True, False)]
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
        index = work / "index"
        commands = {way.name: way.command(index, source, workers) for way in ways}
        if baseline:
            commands[PREDECESSOR] = [sys.executable, str(HERE / "_predecessor.py"), str(source)]
            commands[PREDECESSOR] += [str(SHARED / WEIGHTS), "0.75", str(processes)]
        for repeat in range(-1, repeats):
            for name, command in commands.items():
                shutil.rmtree(index, ignore_errors=True)
                if repeat >= 0:
                    times.setdefault(name, []).append(timed(command))
                elif name != PREDECESSOR:  # for which there is nothing to prepare
                    timed(command)
    rows = []
    base = statistics.median(times.get(PREDECESSOR, [float("nan")]))
    for name, runs in times.items():
        median = statistics.median(runs)
        row: dict[str, Any] = {"way": name, "img/s": count / median, "ratio": base / median}
        for way in ways:
            if way.name != name:
                continue
            decode, embed = core_seconds(photos, names, way)
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
