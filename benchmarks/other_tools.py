"""What other tools find in the folder with planted copies of `planted_folder.py`, and how fast.

    python benchmarks/other_tools.py HELD --folder FOLDER --tool immaculate=/path/to/python …

Each tool runs in an environment of its own, which has it installed (`pip install immaculate`); the
name before `=` is one of `PROGRAMS`. All run one after the other on the same folder, at the
settings that their documentation begins with. Groups count as all pairs in them. Seconds are those
of the whole process: wall clock and processor, and those of vecsim include building the index.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from _common import table, vecsim_command
from _same_pictures import SamePictures
from planted_folder import KINDS, Pairs, Planted, plant

# Programs that print groups of paths as JSON; their arguments are the folder and a scratch folder.
PROGRAMS = {
    "immaculate": """
import json, subprocess, sys
command = [sys.executable, "-m", "immaculate", "--json", sys.argv[1]]
found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
print(json.dumps(found["exact"] + found["near"]))
""",
    "immaculate-sscd": """
import json, subprocess, sys
command = [sys.executable, "-m", "immaculate", "--json", "--method", "sscd", sys.argv[1]]
found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
print(json.dumps(found["exact"] + found["near"]))
""",
    "immaculate-distilled": """
import json, subprocess, sys
command = [sys.executable, "-m", "immaculate", "--json", "--method", "sscd_distilled", sys.argv[1]]
found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
print(json.dumps(found["exact"] + found["near"]))
""",
    "imgcheck": """
import json, sys
from imgcheck.grouping import cluster_duplicates
from imgcheck.hashing import compute_hashes, get_image_paths
hashed = compute_hashes(get_image_paths(sys.argv[1]))
groups = cluster_duplicates(hashed, threshold=3)
print(json.dumps([list(group.members) for group in groups]))
""",
    "czkawka": """
import json, sys
from pathlib import Path
from czkawka import ImageSimilarity
finder = ImageSimilarity()
finder.set_directories([Path(sys.argv[1])])
finder.set_similarity(10)
print(json.dumps([[str(path) for path in group] for group in finder.find_similar()]))
""",
    "imagededup-phash": """
import json, sys
from pathlib import Path
from imagededup.methods import PHash
found = PHash(verbose=False).find_duplicates(image_dir=sys.argv[1], recursive=True)
root = Path(sys.argv[1])
print(json.dumps([[str(root / a), str(root / b)] for a, many in found.items() for b in many]))
""",
    "imagededup-cnn": """
import json, sys
from pathlib import Path
from imagededup.methods import CNN
found = CNN(verbose=False).find_duplicates(image_dir=sys.argv[1], recursive=True)
root = Path(sys.argv[1])
print(json.dumps([[str(root / a), str(root / b)] for a, many in found.items() for b in many]))
""",
    "fastdup": """
import csv, json, sys
from pathlib import Path
import fastdup
fastdup.run(sys.argv[1], sys.argv[2], threshold=0.9)
names = {}
for file in Path(sys.argv[2]).glob("atrain_features.dat.csv"):
    names = {row["index"]: row["filename"] for row in csv.DictReader(file.open())}
rows = csv.DictReader((Path(sys.argv[2]) / "similarity.csv").open())
print()
print(json.dumps([[names.get(r["from"], r["from"]), names.get(r["to"], r["to"])] for r in rows]))
""",
}


def run_program(python: str, program: str, folder: Path) -> list[list[str]]:
    """Run a program of `PROGRAMS`; return the groups that it prints."""
    with tempfile.TemporaryDirectory() as scratch:
        ran = subprocess.run(
            [python, "-c", program, str(folder), scratch], capture_output=True, text=True
        )
    if ran.returncode:
        raise SystemExit(f"{python}: {ran.stderr[-3000:]}")
    groups: list[list[str]] = json.loads(ran.stdout.splitlines()[-1])
    return groups


def run_vecsim(folder: Path, orientations: str) -> list[list[str]]:
    """Return the pairs of `vecsim match` on the folder, whose index is built first."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["VECSIM_INDEXES"] = scratch
        command = vecsim_command(
            "match", folder, "--orientations", orientations, "--format", "jsonl"
        )
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = map(json.loads, ran.stdout.splitlines())
    return [[row["query_url"], row["reference_url"]] for row in rows]


def pairs_of(groups: Iterable[list[str]], folder: Path) -> Pairs:
    """Return the pairs of files that are in one group, as names below the folder."""
    root = folder.resolve()
    pairs: Pairs = set()
    for group in groups:
        names = {str(Path(path).resolve().relative_to(root)) for path in group}
        pairs |= {frozenset(pair) for pair in combinations(names, 2)}
    return pairs


def measure(planted: Planted, same: SamePictures, name: str, find: Any) -> dict[str, Any]:
    """Run one tool; return its row of the table."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    groups = find()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found, false = planted.judge(pairs_of(groups, planted.folder), same)
    by_kind = {kind: f"{found[kind]} of {count}" for kind, (count, _) in KINDS.items()}
    counts = {"tool": name, "copies": found.total(), "false pairs": len(false)}
    return counts | by_kind | {"s": f"{seconds:.1f}", "processor s": f"{processor:.1f}"}


def main() -> None:
    """Run all tools, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("held", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="for the planted folder")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=PYTHON")
    options = parser.parse_args()
    same, planted = SamePictures.read(), plant(options.held, options.folder)
    ways: dict[str, Callable[[], list[list[str]]]] = {
        f"vecsim, {setting}": partial(run_vecsim, options.folder, setting)
        for setting in ("none", "turns", "parts")
    }
    for choice in options.tool:
        name, _, python = choice.partition("=")
        ways[name] = partial(run_program, python, PROGRAMS[name], options.folder)
    rows = []
    for name, find in ways.items():
        rows.append(measure(planted, same, name, find))
        print(rows[-1], file=sys.stderr, flush=True)
    print(table([{"": key} | {row["tool"]: row[key] for row in rows} for key in rows[0]][1:]))


if __name__ == "__main__":
    main()
