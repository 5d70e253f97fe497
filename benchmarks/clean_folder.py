"""From nothing to a clean folder, by the commands of docs/how-to/clean-folder.md, timed.

    python benchmarks/clean_folder.py [FOLDER...] --photographs 200 --copies 100

Photographs are those of `../shared/near-duplicates` and of the given folders; copies are made of
some of them, as keep_originals.py does, or byte for byte. Prints the time of each command, and how
many copies and photographs were given up. At the end `vecsim undo` must bring back all files with
their times.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from _common import REPOSITORY, report, vecsim_command
from keep_originals import COPIES, FIRST_DAY, original_bytes, photographs
from PIL import Image

sys.path.insert(0, str(REPOSITORY / "tests"))

from support.trees import whole_tree

KINDS = ("identical", "PNG", "recompressed", "shrunk", "messenger", "grey")


def make_folder(folder: Path, sources: Sequence[Path], count: int, copies: int) -> dict[Path, str]:
    """Write `count` photographs and `copies` copies of some; returns the kind of each file."""
    chance = random.Random(1)
    kinds: dict[Path, str] = {}

    def write(path: Path, data: bytes, day: int, kind: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        moment = (FIRST_DAY + timedelta(days=day)).timestamp()
        os.utime(path, (moment, moment))
        kinds[path] = kind

    for source in photographs(sources):
        number = sum(kind == "photograph" for kind in kinds.values())
        if number == count:
            break
        data = original_bytes(source, FIRST_DAY + timedelta(days=number), camera=True)
        if data is None:
            continue
        original = folder / "camera" / f"DSC_{number:04}.JPG"
        write(original, data, number, "photograph")
        if number >= copies:
            continue
        kind = KINDS[number % len(KINDS)]
        name, copied = f"{number}.jpg", data
        if kind != "identical":
            name, copied = COPIES[kind](Image.open(original), chance)
        place = folder / chance.choice(("downloads", "downloads/old", "phone")) / f"{number}-{name}"
        write(place, copied, number + 400, kind)
    return kinds


class Journey:
    """Runs one command after the other and keeps their times."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def run(self, *arguments: object) -> str:
        """Run a command; returns what it writes to standard error."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        command = [each for each in vecsim_command(*arguments) if each != "--quiet"]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        name = " ".join(str(each).rpartition("/")[2] for each in arguments)
        self.rows.append({"command": name, "s": f"{seconds:.2f}", "CPU s": f"{cpu:.2f}"})
        return ran.stderr


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--photographs", "count", default=200, show_default=True)
@click.option("--copies", default=100, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(folders: tuple[Path, ...], count: int, copies: int, output: Path | None) -> None:
    """Measure cleaning a folder of photographs and copies."""
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        pictures, index, groups = base / "Pictures", base / "index", base / "groups.csv"
        kinds = make_folder(pictures, folders, count, copies)
        before = whole_tree(pictures)
        journey = Journey()
        journey.run("build-index", index, pictures)
        journey.run("cluster", index, "--output", groups, "--report", base / "groups.html")
        journey.run("apply", groups, "--index", index, "--output", base / "plan.csv")
        journey.run(
            "apply", groups, "--index", index, "--move-to", base / "copies", "-o", base / "d.csv"
        )
        left = journey.run("cluster", index, "--output", base / "left.csv")
        given_up = {path for path in kinds if not path.exists()}
        journey.run("undo", base / "groups.journal")
        if whole_tree(pictures) != before:
            sys.exit("undo did not bring everything back")
        total = sum(float(row["s"]) for row in journey.rows)
        report("clean_folder", journey.rows, output)
        with groups.open(newline="") as file:
            found = {Path(row["url"]) for row in csv.DictReader(file)}
    photos = [path for path in kinds if kinds[path] == "photograph"]
    planted = Counter(kind for kind in kinds.values() if kind != "photograph")
    removed = Counter(kinds[path] for path in given_up)
    print(f"{len(photos)} photographs, {planted.total()} copies; {total:.1f} s in all")
    print("copies given up:", ", ".join(f"{k} {removed[k]} of {planted[k]}" for k in KINDS))
    print(f"photographs given up: {removed['photograph']}; in groups: {len(found)} files")
    print(f"afterwards: {left.strip()}")


if __name__ == "__main__":
    main()
