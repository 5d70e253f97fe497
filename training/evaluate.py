"""Judge flatbuffers on the battery that battery.py made: recall, precision, false pairs, time.

    python evaluate.py --battery BATTERY --json results.json bundled=FILE.tflite new=FILE.tflite

The figures are those of `benchmarks/quality.py` for the same models. Pictures that any of the
models scores 0.95 with a query or an earlier distractor are left out for all of them, so figures
depend a little on which models are judged together. Needs vecsim's dependencies.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
THRESHOLD = 0.845  # of the bundled model before bundled-3, for comparison


def embed(flatbuffer: bytes, pixels: Pixels) -> Vectors:
    """Unit vectors of uint8 [N, side, side, 3], one thread: float32 [N, D]."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(model_content=flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    rows = []
    for picture in pixels:
        interpreter.set_tensor(source, picture[None].astype(np.float32) / 127.5 - 1)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0].copy())
    vectors = np.stack(rows)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def load_vectors(battery: Path, model: Path) -> tuple[Vectors, Vectors]:
    """Copies [Q, 1 + edits, D] and distractors [N, D] by one model; kept for the next time."""
    flatbuffer = model.read_bytes()
    cache = battery / f"vectors-{hashlib.sha256(flatbuffer).hexdigest()[:16]}.npz"
    if not cache.exists():
        copies = np.load(battery / "copies.npy", mmap_mode="r")
        shape = copies.shape
        flat = embed(flatbuffer, copies.reshape(-1, *shape[2:]))
        others = embed(flatbuffer, np.load(battery / "distractors.npy", mmap_mode="r"))
        np.savez(cache, copies=flat.reshape(*shape[:2], -1), distractors=others)
    with np.load(cache) as file:
        return file["copies"], file["distractors"]


def milliseconds(models: dict[str, Path], battery: Path, rounds: int) -> dict[str, float]:
    """Time of one picture on one thread, models taking turns: the median over `rounds`."""
    from ai_edge_litert.interpreter import Interpreter

    pixels = np.load(battery / "distractors.npy", mmap_mode="r")[:64]
    scaled = [picture[None].astype(np.float32) / 127.5 - 1 for picture in pixels]
    interpreters: dict[str, Any] = {}
    for name, path in models.items():
        interpreters[name] = Interpreter(model_content=path.read_bytes(), num_threads=1)
        interpreters[name].allocate_tensors()
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, interpreter in interpreters.items():
            source = interpreter.get_input_details()[0]["index"]
            started = time.perf_counter()
            for picture in scaled:
                interpreter.set_tensor(source, picture)
                interpreter.invoke()
            taken[name].append((time.perf_counter() - started) / len(scaled) * 1e3)
    return {name: float(np.median(times)) for name, times in taken.items()}


def judge(models: dict[str, Path], battery: Path) -> dict[str, Any]:
    """The figures of all models over the same pictures."""
    from _edits import EDITS
    from _retrieval import SAME, distinct, measure

    vectors = {name: load_vectors(battery, path) for name, path in models.items()}
    keep = np.logical_and.reduce([distinct(*pair, SAME) for pair in vectors.values()])
    report: dict[str, Any] = {"distractors": int(keep.sum()), "models": {}}
    for name, (copies, distractors) in vectors.items():
        figures = measure(copies, distractors[keep], list(EDITS), THRESHOLD).figures
        report["models"][name] = {
            "recall_at": figures.recall_at,
            "mean_average_precision": figures.mean_average_precision,
            "recall_at_0.845": figures.recall,
            "false_edited": figures.false_edited,
            "false_unedited": figures.false_unedited,
            "by_edit": {edit: values[0] for edit, values in figures.by_edit.items()},
        }
        report["queries"] = len(copies)
    return report


def agreement(models: dict[str, Path], battery: Path) -> dict[str, tuple[float, float]]:
    """Mean and least cosine of each model's vectors of the distractors to the first one's."""
    first, *others = models
    reference = load_vectors(battery, models[first])[1]
    found: dict[str, tuple[float, float]] = {}
    for name in others:
        vectors = load_vectors(battery, models[name])[1]
        if vectors.shape == reference.shape:
            cosines = (vectors * reference).sum(1)
            found[name] = float(cosines.mean()), float(cosines.min())
    return found


def print_report(report: dict[str, Any]) -> None:
    """The figures as tables of text."""
    print(f"{report['queries']} queries, {report['distractors']} distractors")
    print("model                 99.9 %  from   99 %   from   mAP     0.845: recall  edited  other")
    for name, entry in report["models"].items():
        strict, loose = entry["recall_at"]["99.9%"], entry["recall_at"]["99.0%"]
        print(
            f"{name:20}  {strict[0]:.3f}  {strict[1]:.3f}  {loose[0]:.3f}  {loose[1]:.3f}  "
            f"{entry['mean_average_precision']:.4f}  {entry['recall_at_0.845']:13.3f}  "
            f"{entry['false_edited']:6}  {entry['false_unedited']:5}"
        )
    print("\nRecall at 99.9 % precision" + "".join(f"{n[-14:]:>16}" for n in report["models"]))
    for edit in next(iter(report["models"].values()))["by_edit"]:
        cells = (f"{entry['by_edit'][edit]:16.3f}" for entry in report["models"].values())
        print(f"{edit:26}" + "".join(cells))


def main() -> None:
    """Parse the command line; judge, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME=FILE.tflite")
    parser.add_argument("--battery", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=0, help="of the timing; 0: not timed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    models = {name: Path(path) for name, _, path in (m.partition("=") for m in options.models)}
    report = judge(models, options.battery)
    report["cosine_to_first"] = agreement(models, options.battery)
    if options.rounds:
        report["milliseconds"] = milliseconds(models, options.battery, options.rounds)
    print_report(report)
    print({key: report[key] for key in ("cosine_to_first", "milliseconds") if key in report})
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
