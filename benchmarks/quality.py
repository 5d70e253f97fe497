r"""Measures how well each model finds edited copies among other pictures, and how fast.

    python benchmarks/quality.py mobilenet-0.75-224-smooth=FILE.h5 bundled phash pdq \
        --photographs FOLDER --near-duplicates FOLDER

The first model is the one whose cosines the others are compared with. --photographs holds one
folder for each set (`training/prepare.py` makes it of the sets held out). Queries are drawn from
them, every one is edited in 28 ways and searched among all the originals and the remaining
pictures. Real edited copies come from --near-duplicates. `pdq` is Meta's hash by its own library
(`pip install pdqhash`), as a vector of 256 signs; the plot needs matplotlib. `bundled=FILE.tflite`
tests a flatbuffer in place of the one in the package.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from _common import machine
from _edits import EDITS, edited_copies
from _models import PDQ_THRESHOLD, TestedModel, load_tested, open_upright
from _retrieval import Figures, Vectors, correlation, measure
from numpy.typing import NDArray

from vecsim.errors import ImageError

SEED = 8
WORKING_SIDE = 800  # pixels; originals are reduced to this before they are edited
SAME = 0.95  # pictures that any model scores as high may show the same thing


# The models of a worker process, loaded once.
_models: dict[str, TestedModel] = {}


def start_worker(arguments: list[str]) -> None:
    """Load all models in this process."""
    _models.update(load_tested(argument) for argument in arguments)


def describe_copies(task: tuple[int, Path]) -> dict[str, Vectors] | None:
    """Return (1 + edits, dim) by each model: a query's original and its edited copies."""
    number, path = task
    try:
        image = open_upright(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return None
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    copies = edited_copies(image, np.random.default_rng([SEED, number]))
    files = [buffer.getvalue(), *copies.values()]
    return {name: np.stack([m.describe(file) for file in files]) for name, m in _models.items()}


def describe_plain(path: Path) -> dict[str, Vectors] | None:
    """Return (dim,) by each model of a picture as it is; None if it cannot be decoded."""
    data = path.read_bytes()
    try:
        return {name: model.describe(data) for name, model in _models.items()}
    except (ImageError, OSError, ValueError, SyntaxError):
        return None


def choose(folder: Path, queries: int, most: int) -> tuple[list[Path], list[Path]]:
    """Draw queries, equally many of each set, and at most `most` distractors of each; seeded."""
    sets = sorted(each for each in folder.iterdir() if each.is_dir())
    chosen: list[Path] = []
    others: list[Path] = []
    for number, each in enumerate(sets):
        files = sorted(path for path in each.rglob("*") if path.is_file())
        order = np.random.default_rng([SEED, number]).permutation(len(files))
        share = queries // len(sets)
        chosen += [files[index] for index in order[:share]]
        others += [files[index] for index in order[share : share + most]]
    return chosen, others


def stacked(results: Iterator[dict[str, Vectors] | None]) -> dict[str, Vectors]:
    """Stack the results of all pictures that were decoded, one array for each model."""
    rows = [result for result in results if result is not None]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def distinct(copies: Vectors, others: Vectors, same: float) -> NDArray[np.bool_]:
    """Mark the rows of `others` below `same` with all queries and all earlier rows of `others`."""
    keep = (others @ copies[:, 0].T).max(axis=1) < same
    for start in range(0, len(others), 512):
        rows = slice(start, start + 512)
        earlier = np.tril(others[rows] @ others.T >= same, k=start - 1)
        keep[rows] &= ~(earlier & keep).any(axis=1)
    return keep


def speeds(models: dict[str, TestedModel], paths: list[Path], repeats: int) -> dict[str, float]:
    """Measure pictures per second and core, from file to vector; the models take turns."""
    files = [path.read_bytes() for path in paths]
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            started = time.perf_counter()
            for data in files:
                model.describe(data)
            seconds[name].append(time.perf_counter() - started)
    return {name: len(files) / statistics.median(times) for name, times in seconds.items()}


def real_copies(
    models: dict[str, TestedModel], folder: Path, distractors: dict[str, Vectors]
) -> dict[str, dict[str, tuple[float, int]]]:
    """Score each real edited copy with its original, and count distractors that score higher."""
    pdq, deduplicated = folder / "pdq", folder / "imagededup"
    pairs = [(path, pdq / "bridge-mods/aaa-orig.jpg") for path in (pdq / "bridge-mods").iterdir()]
    pairs += [(path, pdq / "modes/original.jpg") for path in (pdq / "modes").iterdir()]
    base = deduplicated / "base_images"
    variants = [*(deduplicated / "mixed_images").iterdir(), deduplicated / "ukbench00120_gray.jpg"]
    variants += (deduplicated / "formats_images").glob("ukbench*")
    pairs += [(path, base / f"{path.stem.partition('_')[0]}.jpg") for path in variants]
    table: dict[str, dict[str, tuple[float, int]]] = {}
    for path, original in sorted(pairs):
        if path == original or path.name == original.name:
            continue
        row: dict[str, tuple[float, int]] = {}
        for name, model in models.items():
            try:
                copy, first = (model.describe(each.read_bytes()) for each in (path, original))
            except (ImageError, OSError):
                continue
            score = float(copy @ first)
            row[name] = score, int((distractors[name] @ copy > score).sum())
        if row:
            table[f"{path.parent.name}/{path.name}"] = row
    return table


def print_report(report: dict[str, Any]) -> None:
    """Print the tables of the report."""
    models: dict[str, dict[str, Any]] = report["models"]
    print(f"{report['queries']} queries x {len(EDITS)} edits, {report['distractors']} distractors")
    header = "model                       99.9 %  from   99 %   from   mAP     threshold: recall"
    print(f"\n{header}  false edited  false unedited  follows  pictures/s and core")
    for name, entry in models.items():
        strict, loose = entry["recall_at"]["99.9%"], entry["recall_at"]["99.0%"]
        print(
            f"{name:26}  {strict[0]:.3f}   {strict[1]:.3f}  {loose[0]:.3f}  {loose[1]:.3f}  "
            f"{entry['mean_average_precision']:.4f}  {entry['threshold']:8.4f}   "
            f"{entry['recall']:.3f}  {entry['false_edited']:12}  {entry['false_unedited']:14}  "
            f"{entry['follows']:7.3f}  {entry['pictures_per_second']:.0f}"
        )
    for title, column in (("at 99.9 % precision", 0), ("at the model's own threshold", 1)):
        print(f"\nRecall {title}")
        print(" " * 18 + "".join(f"{name[-14:]:>16}" for name in models))
        for edit in EDITS:
            cells = (f"{entry['by_edit'][edit][column]:16.3f}" for entry in models.values())
            print(f"{edit:18}" + "".join(cells))
    print("\nReal copies: score with the original, and how many distractors score higher")
    print(" " * 40 + "".join(f"{name[-14:]:>16}" for name in models))
    for copy, row in report["real_copies"].items():
        cells = (f"{row[name][0]:10.3f}{row[name][1]:6}" if name in row else "" for name in models)
        print(f"{copy:40}" + "".join(f"{cell:>16}" for cell in cells))


def plot(curves: dict[str, Vectors], path: Path) -> None:
    """Plot precision over recall of all models."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, (recall, precision) in curves.items():
        step = max(1, len(recall) // 4000)
        axes.plot(recall[::step], precision[::step], label=name)
    axes.set(xlim=(0.4, 1), ylim=(0.9, 1.002), xlabel="recall", ylabel="precision")
    axes.set_title("Edited copies among other photographs")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME[=WEIGHTS]")
    parser.add_argument("--photographs", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--near-duplicates", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--queries", type=int, default=480)
    parser.add_argument("--most", type=int, default=6000, help="distractors of one set")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--plot", type=Path, help="a PNG of precision over recall")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write what the command line asks for."""
    options = parse_arguments()
    queries, others = choose(options.photographs, options.queries, options.most)
    reference = options.models[0].partition("=")[0]
    with multiprocessing.Pool(options.processes, start_worker, (options.models,)) as pool:
        copies = stacked(pool.imap(describe_copies, enumerate(queries)))
        distractors = stacked(pool.imap(describe_plain, others, chunksize=16))
    keep = np.ones(len(distractors[reference]), np.bool_)
    for name, vectors in distractors.items():
        keep &= distinct(copies[name], vectors, PDQ_THRESHOLD if name == "pdq" else SAME)
    distractors = {name: vectors[keep] for name, vectors in distractors.items()}
    figures: dict[str, Figures] = {}
    curves: dict[str, Vectors] = {}
    models = dict(load_tested(argument) for argument in options.models)
    for name, model in models.items():
        figures[name], curves[name] = measure(
            copies[name], distractors[name], list(EDITS), model.threshold
        )
    rates = speeds(models, others[:: max(1, len(others) // 64)], 5)
    report = {
        "machine": machine(),
        "queries": len(copies[reference]),
        "distractors": int(keep.sum()),
        "left_out_as_alike": int((~keep).sum()),
        "models": {
            name: asdict(figures[name])
            | {
                "follows": correlation(distractors[name], distractors[reference]),
                "pictures_per_second": rates[name],
            }
            for name in models
        },
        "real_copies": real_copies(models, options.near_duplicates, distractors),
    }
    print_report(report)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
