"""Measuring for the benchmarks: interleaved repeats, peak memory, tables and JSON."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32
from vecsim.search.score import normalise

SHARED = Path(os.environ.get("VECSIM_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@dataclass
class Measured:
    """Times of one contestant: wall and processor seconds a repeat, peak memory in megabytes."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median(self) -> float:
        """Median wall time in seconds."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """Median processor time of all cores in seconds: steadier on a machine that others use."""
        return statistics.median(self.cpu)


def interleaved(
    contestants: Mapping[str, Callable[[int], Any]],
    repeats: int,
    verify: Callable[[str, int, Any], None] | None = None,
) -> dict[str, Measured]:
    """Run every contestant once, then again, ...: what slows the machine slows them all.

    Each is called with the number of the repeat. Repeat -1 warms up and is not counted; there
    memory is measured, which slows it. `verify` looks at every result, off the clock.
    """
    results = {name: Measured() for name in contestants}
    for repeat in range(-1, repeats):
        for name, work in contestants.items():
            gc.collect()
            if repeat < 0:
                with peak_memory() as peak:
                    result = work(repeat)
                results[name].peak_mb = peak[0]
            else:
                cpu, wall = time.process_time(), time.perf_counter()
                result = work(repeat)
                results[name].wall.append(time.perf_counter() - wall)
                results[name].cpu.append(time.process_time() - cpu)
            if verify is not None:
                verify(name, repeat, result)
            del result
    return results


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Megabytes of anonymous memory at most above the beginning, sampled every millisecond."""
    peak, over = [0.0], threading.Event()
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would be used and not be seen
    before = anonymous_mb()

    def watch() -> None:
        while not over.wait(0.001):
            peak[0] = max(peak[0], anonymous_mb() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def anonymous_mb() -> float:
    """Anonymous resident memory of this process (RssAnon: no mapped files), in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """`rows` as a Markdown table; all have the keys of the first."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def report(name: str, rows: Sequence[Mapping[str, Any]], output: Path | None) -> None:
    """Print the table; write it with the machine's facts as JSON to `output`."""
    print(table(rows))
    if output is not None:
        facts = {"benchmark": name, "machine": machine(), "rows": list(rows)}
        output.write_text(json.dumps(facts, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return {"processor": model, "cores": cores, "load": load, "python": platform.python_version()}


def features() -> tuple[Float32, Float32]:
    """The real vectors, normalised: 13,501 and 21,221 of 768 dimensions."""
    folder = SHARED / "features"
    first, second = (normalise(np.load(folder / f"source{n}.float16.npy")) for n in (1, 2))
    return first, second


def interpolated(count: int, seed: int) -> Float32:
    """(count, 768) unit vectors between two real ones each, seeded: like the real ones, but many.

    The weights are uniform between 0 and 1, and 5 % noise (of the norm) is added.
    """
    sources = np.concatenate(features())
    random = np.random.default_rng(seed)
    made = np.empty((count, sources.shape[1]), np.float32)
    for start in range(0, count, 8192):
        size = min(8192, count - start)
        weight = random.random((size, 1), dtype=np.float32)
        one, two = (sources[random.integers(0, len(sources), size)] for _ in range(2))
        noise = random.standard_normal((size, sources.shape[1]), dtype=np.float32)
        noise *= np.float32(0.05 / np.sqrt(sources.shape[1]))
        made[start : start + size] = normalise(weight * one + (1 - weight) * two + noise)
    return made


def true_pairs(
    queries: Float32, references: Float32, least: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All pairs (n, 2) with score >= `least` and their scores, by the tests' oracle."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.support import oracle

    found = [
        (query, start + reference, score)
        for start in range(0, len(references), 65_536)
        for query, reference, score in oracle.pairs_above(
            queries, references[start : start + 65_536], least
        )
    ]
    found.sort()
    pairs = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
    return pairs, np.array([pair[2] for pair in found])
