"""Time of `vecsim match` on a folder of photographs, nothing indexed before, beside Immaculate.

    python benchmarks/folder.py FOLDER [--immaculate PYTHON] [--repeats 3] [--output FILE.json]

Whole commands, process start to end, in turns. PYTHON is the interpreter of an environment with
`pip install "immaculate[sscd]"` (Python 3.12 or later).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from _common import compiled_environment, report, vecsim_command


def run(command: list[str]) -> tuple[float, float]:
    """Run a command without any hidden index; return its seconds, and the processor's."""
    with tempfile.TemporaryDirectory() as indexes:
        environment = compiled_environment() | {"VECSIM_INDEXES": indexes}
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, env=environment, capture_output=True, check=True)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run all commands in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--immaculate", type=Path, metavar="PYTHON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    commands = {
        f"vecsim, {model}": vecsim_command("match", options.folder, "--model", model)
        for model in ("bundled", "phash")
    }
    if options.immaculate:
        start = [str(options.immaculate), "-m", "immaculate", "--json", str(options.folder)]
        for method in ("sscd_distilled", "pdq"):
            commands[f"Immaculate, {method}"] = [*start, "--method", method]
    times = defaultdict(list)
    for _ in range(options.repeats):
        for name, command in commands.items():
            times[name].append(run(command))
    rows = []
    for name, pairs in times.items():
        clock, processor = (median(each) for each in zip(*pairs, strict=True))
        rows.append({"command": name, "s": round(clock, 2), "processor s": round(processor, 2)})
    report("folder", rows, options.output)


if __name__ == "__main__":
    main()
