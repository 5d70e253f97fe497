"""Helpers of the benchmarks: interleaved repeats, peak memory, processes, data, tables and JSON."""

from __future__ import annotations

import compileall
import ctypes
import gc
import json
import os
import platform
import resource
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

from vecsim.machine import usable_cores
from vecsim.records import Float32
from vecsim.search.score import normalise

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VECSIM_SHARED", REPOSITORY.parent / "shared"))
DEMO_PICTURES = sorted((REPOSITORY / "demo" / "images").glob("*.jpg"))


# -- measuring -------------------------------------------------------------------------------------


@dataclass
class Measured:
    """Times of one contestant: wall and CPU seconds of each repeat, peak memory in megabytes."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median(self) -> float:
        """Median wall time in seconds."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """Median CPU seconds of all cores: varies less than wall time on a shared machine."""
        return statistics.median(self.cpu)


def interleaved(
    contestants: Mapping[str, Callable[[int], Any]],
    repeats: int,
    verify: Callable[[str, int, Any], None] | None = None,
) -> dict[str, Measured]:
    """Run every contestant once, then again, …: what slows the machine slows them all.

    Each is called with the number of the repeat. Repeat -1 warms up and its time does not count;
    its peak memory does, whose measuring takes time. `verify` checks every result, untimed.
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
                cpu, wall = cpu_seconds(), time.perf_counter()
                result = work(repeat)
                results[name].wall.append(time.perf_counter() - wall)
                results[name].cpu.append(cpu_seconds() - cpu)
            if verify is not None:
                verify(name, repeat, result)
            del result
    return results


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Sample the growth of anonymous memory every millisecond; yields [peak in megabytes]."""
    peak, done = [0.0], threading.Event()
    # Return freed memory to the system: it would be used again without any growth.
    ctypes.CDLL(None).malloc_trim(0)
    before = anonymous_mb()

    def sample() -> None:
        while not done.wait(0.001):
            peak[0] = max(peak[0], anonymous_mb() - before)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


def anonymous_mb(pid: int | str = "self") -> float:
    """Return the anonymous resident memory of a process (no mapped files), in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


# -- processes -------------------------------------------------------------------------------------


def vecsim_command(*arguments: object) -> list[str]:
    """Return the command line of a quiet vecsim command."""
    return [sys.executable, "-m", "vecsim", "--quiet", *map(str, arguments)]


def compiled_environment() -> dict[str, str]:
    """Compile vecsim's modules, as pip does; return an environment in which processes use that."""
    compileall.compile_dir(REPOSITORY / "vecsim", quiet=2)
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def run_process(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> tuple[float, float]:
    """Run a process to its end; return its wall seconds and its peak memory in megabytes.

    Exits with the process's error output if it fails.
    """
    sys.path.insert(0, str(REPOSITORY))
    from tests.support.costs import cost_of

    try:
        cost = cost_of(
            command, environment=dict(os.environ) if environment is None else environment
        )
    except AssertionError as error:
        sys.exit(str(error))
    return cost.wall, cost.peak_mb


def remove_proxies() -> None:
    """Remove proxies from the environment: servers of benchmarks are on loopback."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]


# -- results ---------------------------------------------------------------------------------------


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format `rows`, which have the same keys, as a Markdown table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def report(name: str, rows: Sequence[Mapping[str, Any]], output: Path | None) -> None:
    """Print `rows` as a table; write them as JSON, with facts of the machine, to `output`."""
    print(table(rows))
    if output is not None:
        facts = {"benchmark": name, "machine": machine(), "rows": list(rows)}
        output.write_text(json.dumps(facts, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Return facts of this machine: processor, cores, load, Python."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    python = platform.python_version()
    return {"processor": model, "cores": usable_cores(), "load": load, "python": python}


# -- data ------------------------------------------------------------------------------------------


def original_photographs() -> list[Path]:
    """Return the photographs of the shared data of which no other is a copy, in a fixed order."""
    near_duplicates = SHARED / "near-duplicates"
    return [
        *sorted(near_duplicates.glob("imagededup/base_images/*.jpg")),
        *sorted(near_duplicates.glob("pdq/**/*orig*.jpg")),
    ]


def features() -> tuple[Float32, Float32]:
    """Return the shared real vectors, normalised: 13,501 and 21,221 of 768 dimensions."""
    folder = SHARED / "features"
    first, second = (normalise(np.load(folder / f"source{n}.float16.npy")) for n in (1, 2))
    return first, second


def interpolated(count: int, seed: int, dim: int = 768) -> Float32:
    """Make (count, dim) unit vectors, each between two real ones: realistic, but many.

    Of the 768 numbers of those, the first `dim` are taken. The weights are uniform between 0 and 1,
    and 5 % noise (of the norm) is added.
    """
    sources = normalise(np.concatenate(features())[:, :dim])
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
    queries: Float32, references: Float32, threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return all pairs (n, 2) with score >= `threshold` and their scores, by the tests' oracle."""
    sys.path.insert(0, str(REPOSITORY))
    from tests.support import oracle

    found = [
        (query, start + reference, score)
        for start in range(0, len(references), 65_536)
        for query, reference, score in oracle.pairs_above(
            queries, references[start : start + 65_536], threshold
        )
    ]
    found.sort()
    pairs = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
    return pairs, np.array([pair[2] for pair in found])
