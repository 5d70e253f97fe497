"""What people wait for when they start vecsim: seconds, processor time and memory of each command.

    python benchmarks/start_up.py [--count 1000000] [--repeats 11] [--output FILE.json]

The index of `query` holds vectors of the bundled model's dimension, seeded, a tenth of them near
that of the picture; each result is compared with all scores in float64. The baseline of a command
is a process that only imports the outside libraries it needs. With a cold disk, the files of the
index are dropped from the system's cache before each run, and in another row those of Python's
packages too. All processes find compiled modules, as after an installation by pip.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.decode import DecodeLimits
from vecsim.decode.image import decode_image
from vecsim.index import Snapshot
from vecsim.models import load_embedder
from vecsim.operations.external_vectors import VectorTable, create_from_vectors
from vecsim.records import Float32
from vecsim.search.score import normalise, score_matrix

sys.path.insert(0, str(Path(__file__).parent))
from _common import REPOSITORY, compiled_environment, report, vecsim_command

sys.path.insert(0, str(REPOSITORY))
from tests.support.costs import Cost, cost_of

PICTURES = REPOSITORY / "demo/images"
PICTURE = PICTURES / "3.jpg"
K = 10
PART = 65_536
SMALL = 1_000  # images of each index that `match` compares


@dataclass
class Case:
    """A command, the imports that it is compared with, and what precedes each run, untimed."""

    command: list[str]
    imports: str
    before: Callable[[], None] = lambda: None
    verify: Callable[[Path], None] = lambda output: None
    costs: list[Cost] = field(default_factory=list)


def picture_vector() -> tuple[Float32, Any]:
    """Return the unit vector (1, d) of the picture by the bundled model, and its fingerprint."""
    model = load_embedder("bundled", device="cpu")
    pixels = decode_image(PICTURE.read_bytes(), model.preparation, DecodeLimits()).pixels
    return normalise(model.embed(pixels[None])), model.fingerprint


def vectors_near(count: int, vector: Float32) -> Float32:
    """Make `count` unit vectors, seeded: clusters, and a tenth of them near `vector` (1, d)."""
    random = np.random.default_rng(5)
    centres = random.standard_normal((500, vector.shape[1]), dtype=np.float32)
    made = np.empty((count, vector.shape[1]), np.float32)
    for start in range(0, count, PART):
        part = made[start : start + PART]
        part[:] = random.standard_normal(part.shape, dtype=np.float32)
        part += 2 * centres[random.integers(0, len(centres), len(part))]
        part[::10] += random.uniform(0, 60, (len(part[::10]), 1)).astype(np.float32) * vector
        part[:] = normalise(part)
    return made


def best(vector: Float32, references: Float32) -> list[tuple[str, float]]:
    """Return the K best ids and scores, from all scores; equal scores sorted by id as text."""
    scores = np.concatenate(
        [score_matrix(vector, references[s : s + PART])[0] for s in range(0, len(references), PART)]
    )
    near = np.flatnonzero(scores >= np.partition(scores, -K)[-K])
    return sorted(((str(row), float(scores[row])) for row in near), key=lambda x: (-x[1], x[0]))[:K]


def drop_from_cache(*folders: Path) -> None:
    """Drop all files of `folders` from the system's cache, those that are mapped excepted."""
    os.sync()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_cases(count: int, folder: Path) -> dict[str, Case]:
    """Make the indexes in `folder`; return the commands to measure, by their names."""
    vector, fingerprint = picture_vector()
    references = vectors_near(count, vector)
    sides = {"large": references, "a": references[:SMALL], "b": references[-SMALL:]}
    for name, some in sides.items():
        names = [str(number) for number in range(len(some))]
        create_from_vectors(folder / name, VectorTable(some, names), fingerprint)
    with Snapshot(folder / "large") as snapshot:  # it stores unit vectors normalised again
        wanted = best(vector, snapshot.slice(0, count)[1])

    def verify(output: Path) -> None:
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = [(row["reference_id"], float(row["score"])) for row in rows]
        assert found == wanted, (found, wanted)

    large, kept = folder / "large", folder / "indexes"
    packages = Path(sysconfig.get_path("platlib"))
    ask = vecsim_command("query", large, "--url", PICTURE, "--top-k", K, "--format", "csv")
    loading = "import click, numpy, faiss, ai_edge_litert.interpreter, PIL.Image"
    first = vecsim_command("match", PICTURES, "--format", "csv")
    python = [sys.executable, "-c"]
    return {
        "`import vecsim`": Case([*python, "import vecsim"], "pass"),
        "`vecsim --help`": Case(vecsim_command("--help"), "import click, numpy"),
        "`vecsim info`, a million images": Case(
            vecsim_command("info", large), "import click, numpy, sqlite_utils"
        ),
        "`vecsim match A B`, 1,000 images each": Case(
            vecsim_command("match", folder / "a", folder / "b", "--format", "csv"),
            "import click, numpy, faiss",
        ),
        "`vecsim query`, a million images": Case(ask, loading, verify=verify),
        "the same, index not in the cache": Case(
            ask, loading, lambda: drop_from_cache(large), verify
        ),
        "the same, nor vecsim and its libraries": Case(
            ask, loading, lambda: drop_from_cache(large, packages, REPOSITORY / "vecsim"), verify
        ),
        "`vecsim match` of a folder of nine pictures, the first time": Case(
            first, loading, lambda: shutil.rmtree(kept, ignore_errors=True)
        ),
        "the same again": Case(first, loading),
    }


def measure(cases: dict[str, Case], repeats: int, folder: Path) -> list[dict[str, Any]]:
    """Run all commands and their baselines in turns; return the rows of a table."""
    environment = compiled_environment() | {"VECSIM_INDEXES": str(folder / "indexes")}
    for name in [name for name in environment if name.lower().endswith("_proxy")]:
        del environment[name]
    baselines: dict[str, list[Cost]] = {case.imports: [] for case in cases.values()}
    output = folder / "output"
    for repeat in range(-1, repeats):
        for imports, known in baselines.items():
            cost = cost_of([sys.executable, "-c", imports], environment=environment)
            known += [cost] if repeat >= 0 else []
        for case in cases.values():
            case.before()
            cost = cost_of(case.command, output, environment)
            case.verify(output)
            case.costs += [cost] if repeat >= 0 else []

    def median(costs: list[Cost], what: str) -> float:
        return statistics.median(getattr(cost, what) for cost in costs)

    return [
        {
            "command": name,
            "ms": round(1000 * median(case.costs, "wall")),
            "processor ms": round(1000 * median(case.costs, "cpu")),
            "peak MB": round(median(case.costs, "peak_mb")),
            "beside": f"`{case.imports}`",
            "x processor": round(
                median(case.costs, "cpu") / median(baselines[case.imports], "cpu"), 2
            ),
            "x memory": round(
                median(case.costs, "peak_mb") / median(baselines[case.imports], "peak_mb"), 2
            ),
        }
        for name, case in cases.items()
    ]


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        cases = make_cases(options.count, Path(temporary))
        rows = measure(cases, options.repeats, Path(temporary))
    report("start_up", rows, options.output)


if __name__ == "__main__":
    main()
