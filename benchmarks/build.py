"""From a CSV of URLs on loopback to an index: images per second, beside the predecessor's way.

    python benchmarks/build.py --count 3000 --repeats 5

Each run is a process from start to end. The ways take turns, after one run of each that does not
count. Decoding (with the thumbnail, where one is kept) and inference are also measured alone, in
one thread each: their sum says which rate the cores allow.
"""

from __future__ import annotations

import csv
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from _common import SHARED, compiled_environment, report, run_process, vecsim_command
from _photos import make_photos, serve

from vecsim.machine import usable_cores

PREDECESSOR = "the predecessor's way"
WEIGHTS = SHARED / "weights" / "mobilenet_7_5_224_tf_no_top.h5"


@dataclass(frozen=True)
class Way:
    """One way of building an index with vecsim."""

    model: str
    thumbnails: bool

    @property
    def name(self) -> str:
        """The name in the table."""
        return self.model + ("" if self.thumbnails else ", no thumbnails")

    @property
    def weights(self) -> Path | None:
        """The weights file, for a model that needs one."""
        return WEIGHTS if self.model.startswith("mobilenet") else None

    def command(self, index: Path, source: Path, workers: int) -> list[str]:
        """Return the command that builds the index."""
        options: list[object] = ["--model", self.model, "--workers", workers, "--per-host", workers]
        if self.weights:
            options += ["--weights", self.weights]
        if not self.thumbnails:
            options.append("--no-thumbnails")
        return vecsim_command("build-index", index, source, *options)


def predecessor_command(source: Path, processes: int) -> list[str]:
    """Return the command of the baseline."""
    script = Path(__file__).with_name("_predecessor.py")
    return [sys.executable, str(script), str(source), str(WEIGHTS), "0.75", str(processes)]


def measure_turns(
    commands: dict[str, list[str]], index: Path, repeats: int
) -> tuple[dict[str, list[float]], float]:
    """Run the commands in turns; return the seconds of each, and the peak memory of all in MB."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    peak, environment = 0.0, compiled_environment()
    for repeat in range(-1, repeats):
        for name, command in commands.items():
            if repeat < 0 and name == PREDECESSOR:
                continue  # it has no caches that a first run would fill
            shutil.rmtree(index, ignore_errors=True)
            seconds, megabytes = run_process(command, environment)
            peak = max(peak, megabytes)
            if repeat >= 0:
                times[name].append(seconds)
    return times, peak


def core_seconds(photos: Sequence[Path], way: Way) -> tuple[float, float]:
    """Return CPU seconds per image for decoding and for inference (batches of 32), each alone."""
    from vecsim.decode import decode_image
    from vecsim.models import load_embedder

    embedder = load_embedder(way.model, weights=way.weights, threads=1)
    data = [photo.read_bytes() for photo in photos]
    decode, embed = [], []
    for _ in range(3):
        start = time.process_time()
        pictures = [
            decode_image(
                image, embedder.preparation, thumbnail_side=160 if way.thumbnails else 0
            ).pixels
            for image in data
        ]
        decode.append((time.process_time() - start) / len(data))
        start = time.process_time()
        for first in range(0, len(pictures), 32):
            embedder.embed(np.stack(pictures[first : first + 32]))
        embed.append((time.process_time() - start) / len(pictures))
    return statistics.median(decode), statistics.median(embed)


def table_row(name: str, rate: float, base: float, way: Way | None, photos: Sequence[Path]) -> dict:
    """Return the row of one way: images per second, ratio to `base`, and what the cores allow."""
    row: dict[str, Any] = {"way": name, "img/s": f"{rate:.3g}", "ratio": f"{rate / base:.3g}"}
    columns = ("decode ms", "embed ms", "share of what the cores allow")
    if way is None:
        return row | dict.fromkeys(columns, "")
    decode, embed = core_seconds(photos, way)
    allowed = usable_cores() / (decode + embed)
    figures = (1e3 * decode, 1e3 * embed, rate / allowed)
    return row | {name: f"{figure:.3g}" for name, figure in zip(columns, figures, strict=True)}


@click.command()
@click.option("--count", default=3000, show_default=True, help="Photographs.")
@click.option("--repeats", default=5, show_default=True)
@click.option(
    "--models", default="mobilenet-0.75-224,bundled", show_default=True, help="Comma-separated."
)
@click.option("--processes", default=4, show_default=True, help="Of the predecessor's way.")
@click.option("--workers", default=16, show_default=True, help="Download threads of vecsim.")
@click.option("--baseline/--no-baseline", default=True, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(
    count: int,
    repeats: int,
    models: str,
    processes: int,
    workers: int,
    baseline: bool,
    output: Path | None,
) -> None:
    """Measure building an index from a CSV of URLs."""
    ways = [Way(model, kept) for model in models.split(",") for kept in (True, False)]
    photos = Path(tempfile.gettempdir()) / f"vecsim-benchmark-photos-{count}"
    names = make_photos(photos, count)
    with tempfile.TemporaryDirectory() as temporary, serve(photos) as host:
        source, index = Path(temporary, "photos.csv"), Path(temporary, "index")
        with source.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "url"])
            writer.writerows([name, f"{host}/{name}"] for name in names)
        commands = {way.name: way.command(index, source, workers) for way in ways}
        if baseline:
            commands[PREDECESSOR] = predecessor_command(source, processes)
        times, peak = measure_turns(commands, index, repeats)
    rates = {name: count / statistics.median(runs) for name, runs in times.items()}
    base = rates.get(PREDECESSOR, float("nan"))
    by_name = {way.name: way for way in ways}
    sample = [photos / name for name in names[:320]]
    rows = [table_row(name, rates[name], base, by_name.get(name), sample) for name in rates]
    report("build", rows, output)
    print(f"largest process: {peak:.0f} MB; {count} images, {repeats} runs each, medians")


if __name__ == "__main__":
    main()
