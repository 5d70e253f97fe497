"""Time of `vecsim query` with one picture, in a new process, on an index of a million.

    python benchmarks/start_up.py [--count 1000000] [--repeats 11] [--output FILE.json]

The index holds vectors of the bundled model's dimension, seeded, a tenth of them near that of the
picture. The baseline is a process that only imports the libraries such a query could need. Each
result is compared with all scores in float64. Both processes find compiled modules, as after an
installation by pip.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import vecsim
from vecsim.decode import DecodeLimits
from vecsim.decode.image import decode_image
from vecsim.models import load_embedder
from vecsim.operations.external_vectors import VectorTable, create_from_vectors
from vecsim.records import Float32
from vecsim.search.score import normalise, score_matrix

sys.path.insert(0, str(Path(__file__).parent))
from _common import report

PICTURE = Path(__file__).resolve().parents[1] / "demo/images/3.jpg"
IMPORTS = "import faiss, ai_edge_litert.interpreter, PIL.Image"
K = 10
PART = 65_536


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


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    vector, fingerprint = picture_vector()
    references = vectors_near(options.count, vector)
    wanted = best(vector, references)
    times: dict[str, list[float]] = {"imports": [], "vecsim query": []}
    with tempfile.TemporaryDirectory() as temporary:
        index = Path(temporary, "index")
        names = [str(number) for number in range(options.count)]
        create_from_vectors(index, VectorTable(references, names), fingerprint)
        compileall.compile_dir(Path(vecsim.__file__).parent, quiet=2)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        query = [str(Path(sys.executable).with_name("vecsim")), "--quiet", "query", str(index)]
        query += ["--url", str(PICTURE), "--top-k", str(K), "--format", "csv"]
        commands = {"imports": [sys.executable, "-c", IMPORTS], "vecsim query": query}
        for repeat in range(-1, options.repeats):
            for name, command in commands.items():
                started = time.perf_counter()
                done = subprocess.run(
                    command, capture_output=True, text=True, check=True, env=environment
                )
                if repeat >= 0:
                    times[name].append(time.perf_counter() - started)
                if name == "vecsim query":
                    rows = csv.DictReader(io.StringIO(done.stdout))
                    found = [(row["reference_id"], float(row["score"])) for row in rows]
                    assert found == wanted, (found, wanted)
    base = statistics.median(times["imports"])
    rows_out: list[dict[str, Any]] = [
        {
            "process": name,
            "references": options.count if name != "imports" else 0,
            "ms": round(1000 * statistics.median(runs)),
            "x imports": round(statistics.median(runs) / base, 2),
        }
        for name, runs in times.items()
    ]
    report("start_up", rows_out, options.output)


if __name__ == "__main__":
    main()
