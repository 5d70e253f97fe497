"""One core against two, and how many cores the part of a command that uses one core is enough for.

    python benchmarks/cores.py FOLDER [--repeats 3] [--output FILE.json]

Whole commands on a folder of photographs with nothing indexed before, and `match(a, b).to_numpy()`
of the shared features, on one core and on two, in turns. On more cores, decoding and the network
have more of them, but what the command's own process does in Python has one. It is measured with
files as large as photographs whose pictures are tiny, and a model that takes some of their pixels:
nearly all the time is that of the command's own process. The rate that this allows, divided by the
rate of one core, is the number of cores from which that process is the limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _common import compiled_environment, features, report, vecsim_command
from match import make_index
from PIL import Image

from vecsim import CallableEmbedder, Index, Preparation, match

MODELS = ("bundled", "phash")
FILE_BYTES = 110_000
THRESHOLD = 0.845


@contextmanager
def only(cores: int) -> Iterator[None]:
    """Let this process and the ones that it starts use so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def time_folder(folder: Path, model: str, environment: dict[str, str]) -> float:
    """Return the seconds of `vecsim match` on a folder of which nothing is indexed."""
    with tempfile.TemporaryDirectory() as indexes:
        start = time.perf_counter()
        subprocess.run(
            vecsim_command("match", folder, "--model", model),
            env=environment | {"VECSIM_INDEXES": indexes},
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - start


def time_match(folder: Path) -> float:
    """Return the seconds of a match of the features, in a process that has done one before."""
    command = [sys.executable, __file__, str(folder), "--match"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return float(done.stdout)


def match_twice(folder: Path) -> None:
    """Print the seconds of the second of two matches."""
    with Index.open(folder / "a") as one, Index.open(folder / "b") as two:
        match(one, two, threshold=THRESHOLD).to_numpy()
        start = time.perf_counter()
        match(one, two, threshold=THRESHOLD).to_numpy()
        print(time.perf_counter() - start)


def make_light_pictures(folder: Path, count: int) -> None:
    """Write files as large as photographs whose pictures take hardly any time to decode."""
    folder.mkdir()
    random = np.random.default_rng(3)
    for number in range(count):
        path = folder / f"{number}.jpg"
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
        with path.open("ab") as file:  # behind the picture, where decoders do not look
            file.write(bytes(FILE_BYTES - path.stat().st_size))


def measure_own_part(folder: Path, count: int) -> tuple[float, float]:
    """Index the pictures of `folder`, which take hardly any time to decode.

    Returns pictures a second, and milliseconds of this process's processor time for each.
    """
    model = CallableEmbedder(
        # 1 is added because a vector of zeros is refused.
        lambda pixels: pixels[:, :8, :16].reshape(len(pixels), -1).astype(np.float32) + 1,
        "some-pixels",
        preparation=Preparation(160, "smooth"),
    )
    with (
        tempfile.TemporaryDirectory() as place,
        Index.create(Path(place, "i"), model=model) as index,
    ):
        start, own = time.perf_counter(), time.process_time()
        added = index.add(folder).added
        seconds, own = time.perf_counter() - start, time.process_time() - own
    assert added == count, f"{added} of {count} were added"
    return count / seconds, 1e3 * own / count


def measure(folder: Path, repeats: int, count: int) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    pictures = sum(path.suffix.lower() in (".jpg", ".jpeg") for path in folder.iterdir())
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    own_part = []
    environment = compiled_environment()
    with tempfile.TemporaryDirectory() as temporary:
        light = Path(temporary, "light")
        make_light_pictures(light, count)
        for name, vectors in zip("ab", features(), strict=True):
            make_index(Path(temporary, name), vectors)[0].close()
        for _ in range(repeats):
            for cores in (1, 2):
                with only(cores):
                    for model in MODELS:
                        times[model, cores].append(time_folder(folder, model, environment))
                    times["match", cores].append(time_match(Path(temporary)))
            own_part.append(measure_own_part(light, count))
    rate, own_ms = (median(each) for each in zip(*own_part, strict=True))
    print(f"The command's own part: {own_ms:.2f} ms a picture, {rate:.0f} pictures a second.")
    rows = []
    for work in (*MODELS, "match"):
        one, two = median(times[work, 1]), median(times[work, 2])
        row = {"work": work, "1 core: s": f"{one:.2f}", "2 cores: s": f"{two:.2f}"}
        row |= {"times as fast": f"{one / two:.2f}", "own part is the limit from": ""}
        if work in MODELS:
            row["own part is the limit from"] = f"{rate * one / pictures:.1f} cores"
        rows.append(row)
    return rows


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=3000, help="files with tiny pictures")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--match", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.match:
        match_twice(options.folder)
        return
    report("cores", measure(options.folder, options.repeats, options.count), options.output)


if __name__ == "__main__":
    main()
