r"""Measures how well each model finds edited copies among other pictures, and how fast.

    python benchmarks/quality.py bundled mobilenet-0.75-224-smooth=FILE.h5 phash pdq sscd=FILE.onnx
        --photographs FOLDER --near-duplicates FOLDER --vectors FOLDER

--photographs holds one folder for each set (`training/prepare.py` makes it of the sets held out).
Queries are drawn from them, every one is edited in 28 ways (`_edits.py`) and in 11 ways in which
pictures are passed on (`_passed_on.py`), and searched among all the originals, the remaining
pictures and pages of text, logos and drawings (`_documents.py`). The 28 are compared as they are;
the 11 in the orientations of `--orientations turns`, by hashes in all eight. Real edited copies
come from --near-duplicates, if it is given. `pdq` is Meta's hash by its own library (`pip install
pdqhash`), `NAME=FILE.onnx` a network that takes pictures of uint8. `bundled=FILE.tflite` tests a
flatbuffer in place of the one in the package; the plot and the fonts of the documents need
matplotlib.

Vectors are kept in the folder of --vectors, and used again. Look at the pairs of --pairs first:
those that show one picture belong into `same_pictures.csv`, and count as no error of any model.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from _common import machine
from _described import WAYS, Described, Pictures, choose, describe
from _documents import write_documents
from _edits import EDITS
from _models import TestedModel, load_tested
from _retrieval import Measured, Vectors, correlation, measure
from _same_pictures import COLUMNS, SamePictures

from vecsim.errors import ImageError

COMPANIONS = 25  # every such distractor is shown in collages instead


def measured(described: Described, threshold: float, shown: list[str]) -> tuple[Measured, Measured]:
    """Measure both batteries: the edits as they are, and pictures passed on in orientations."""
    own = described.originals[:, None]
    edited = np.concatenate([own, described.edited], axis=1)
    repeated = np.repeat(own[:, :, None], described.passed_on.shape[2], axis=2)
    passed = np.concatenate([repeated, described.passed_on], axis=1)
    return (
        measure(edited, described.distractors, list(EDITS), threshold, shown),
        measure(passed, described.distractors, list(WAYS), threshold, shown),
    )


def speeds(models: dict[str, TestedModel], paths: list[Path], repeats: int) -> dict[str, float]:
    """Measure pictures per second and core, from file to vector; the models take turns."""
    files = [path.read_bytes() for path in paths]
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            started = time.process_time()
            for data in files:
                model.describe(data)
            seconds[name].append(time.process_time() - started)
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
                copy, first = (model.describe(each.read_bytes())[0] for each in (path, original))
            except (ImageError, OSError):
                continue
            score = float(copy @ first)
            row[name] = score, int((distractors[name] @ copy > score).sum())
        if row:
            table[f"{path.parent.name}/{path.name}"] = row
    return table


def write_pairs(
    found: dict[str, tuple[Measured, Measured]], pictures: Pictures, options: argparse.Namespace
) -> None:
    """Write the highest-scoring false pairs of each model and battery, to be looked at."""
    files = [*pictures.queries, *pictures.distractors]
    with options.pairs.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", "score", "edit", *COLUMNS])
        for name, (edited, passed) in found.items():
            for pairs, edits in (
                (edited.false, list(EDITS)),
                (passed.false, WAYS),
                (edited.unedited, []),
            ):
                for pair in pairs[: options.listed]:
                    one, two = files[pair.query], files[pair.reference]
                    digests = [hashlib.sha256(f.read_bytes()).hexdigest() for f in (one, two)]
                    places = [os.path.relpath(each, options.photographs) for each in (one, two)]
                    edit = "none" if pair.edit is None else edits[pair.edit]
                    writer.writerow([name, f"{pair.score:.4f}", edit, *places, *digests])


def print_report(report: dict[str, Any]) -> None:
    """Print the tables of the report."""
    models: dict[str, dict[str, Any]] = report["models"]
    print(f"{report['queries']} queries, {report['distractors']} distractors")
    for title, key, names in (
        (f"{len(EDITS)} edits, as they are", "edited", list(EDITS)),
        (f"{len(WAYS)} ways of passing on, in orientations", "passed_on", list(WAYS)),
    ):
        header = (
            "model                       99.9 %  from   99 %   from   mAP     threshold: recall"
        )
        print(f"\n{title}\n{header}  false edited  false unedited  follows  pictures/s and core")
        for name, entry in models.items():
            its = entry[key]
            strict, loose = its["recall_at"]["99.9%"], its["recall_at"]["99.0%"]
            print(
                f"{name:26}  {strict[0]:.3f}   {strict[1]:.3f}  {loose[0]:.3f}  {loose[1]:.3f}  "
                f"{its['mean_average_precision']:.4f}  {its['threshold']:8.4f}   "
                f"{its['recall']:.3f}  {its['false_edited']:12}  {its['false_unedited']:14}  "
                f"{entry['follows']:7.3f}  {entry['pictures_per_second']:.0f}"
            )
        print("\nRecall at 99.9 % precision / at the model's own threshold")
        print(" " * 20 + "".join(f"{name[-14:]:>16}" for name in models))
        for edit in names:
            pairs = (entry[key]["by_edit"][edit] for entry in models.values())
            print(f"{edit:20}" + "".join(f"{one:9.3f} / {two:.2f}" for one, two in pairs))
    if not report["real_copies"]:
        return
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME[=WEIGHTS]")
    parser.add_argument("--photographs", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--near-duplicates", type=Path, metavar="FOLDER")
    parser.add_argument("--queries", type=int, default=480)
    parser.add_argument("--most", type=int, default=6000, help="distractors of one set")
    parser.add_argument("--documents", type=int, default=1200, help="further distractors")
    parser.add_argument("--timed", type=int, default=64, help="pictures of which speed is measured")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--vectors", type=Path, help="keep vectors in this folder")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--pairs", type=Path, help="write the highest false pairs here, as CSV")
    parser.add_argument("--listed", type=int, default=60, help="of each model and battery")
    parser.add_argument("--plot", type=Path, help="a PNG of precision over recall")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write what the command line asks for."""
    options = parse_arguments()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        vectors: Path = options.vectors or scratch
        vectors.mkdir(parents=True, exist_ok=True)
        queries, others = choose(options.photographs, options.queries, options.most)
        companions = others[::COMPANIONS]
        del others[::COMPANIONS]
        others += write_documents(vectors / "documents", options.documents)
        chosen = Pictures(queries, others, companions)
        described, pictures = describe(options.models, chosen, options.processes, vectors)
        report_on(options, described, pictures)


def report_on(
    options: argparse.Namespace, described: dict[str, Described], pictures: Pictures
) -> None:
    """Measure what is described; print it, and write it where the command line says."""
    models = dict(load_tested(argument) for argument in options.models)
    shown = pictures.shown(SamePictures.read())
    found = {name: measured(described[name], models[name].threshold, shown) for name in models}
    distractors = {name: each.distractors for name, each in described.items()}
    reference = distractors[next(iter(models))]
    some = pictures.distractors[:: max(1, len(pictures.distractors) // options.timed)]
    rates = speeds(models, some, 3)
    report = {
        "machine": machine(),
        "queries": len(pictures.queries),
        "distractors": len(reference),
        "models": {
            name: {
                "edited": asdict(edited.figures),
                "passed_on": asdict(passed.figures),
                "follows": correlation(distractors[name], reference),
                "pictures_per_second": rates[name],
            }
            for name, (edited, passed) in found.items()
        },
        "real_copies": (
            real_copies(models, options.near_duplicates, distractors)
            if options.near_duplicates
            else {}
        ),
    }
    print_report(report)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    if options.pairs:
        write_pairs(found, pictures, options)
    if options.plot:
        plot({name: edited.curve for name, (edited, _) in found.items()}, options.plot)


if __name__ == "__main__":
    main()
