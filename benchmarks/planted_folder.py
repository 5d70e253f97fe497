"""How many of 300 copies in a folder of 1,000 pictures are found, and how many false pairs.

    python benchmarks/planted_folder.py HELD [--folder FOLDER] [--pairs FILE.csv]

HELD has one folder for each set of photographs held out of the training (`training/prepare.py`
makes it). 700 of them, drawn at random, and a copy of each of 300 are written to a folder, indexed
and matched by `vecsim build-index` and `vecsim match`, each model at its own threshold. Beside
them: Meta's PDQ at its 31 bits (`pip install pdqhash`), as it is and with the eight orientations of
the query. A pair of different photographs is false unless `same_pictures.csv` lists it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import table, vecsim_command
from _edits import Edit
from _models import SAME_BITS, open_upright
from _passed_on import (
    cropped_to,
    filtered,
    mirrored,
    quarter_turned,
    screenshot,
    white_margin,
)
from _same_pictures import SamePictures
from keep_originals import as_png, by_messenger, encoded, grey, recompressed, shrunk
from PIL import Image

SETS = ("clothing", "corel", "houses", "imagen", "imagenet-samples", "landscapes", "snapshots")
PHOTOGRAPHS = 700
LEAST_SIDE = 200  # pixels
SEED = 16
Pairs = set[frozenset[str]]

Copy = Callable[[Image.Image, int], tuple[str, bytes]]
"""Makes the extension and the bytes of a copy, of a picture and its number."""


def edited(edit: Edit, format: str = "JPEG") -> Copy:
    """Return what saves an edited picture as a JPEG of quality 90, or as a PNG."""

    def copy(image: Image.Image, number: int) -> tuple[str, bytes]:
        made = edit(image, np.random.default_rng([SEED, number]))
        if format == "PNG":
            return ".png", encoded(made, "PNG")
        return ".jpg", encoded(made, "JPEG", quality=90)

    return copy


def saved(make: Callable[[Image.Image, random.Random], tuple[str, bytes]]) -> Copy:
    """Return a kind of copy of `keep_originals.py`."""

    def copy(image: Image.Image, number: int) -> tuple[str, bytes]:
        name, data = make(image, random.Random(number))
        return Path(name).suffix, data

    return copy


KINDS: dict[str, tuple[int, Copy]] = {
    "recompressed": (25, saved(recompressed)),
    "halved": (25, saved(shrunk)),
    "mirrored": (25, edited(mirrored)),
    "turned by 90°": (25, edited(quarter_turned)),
    "screenshot": (30, edited(screenshot, "PNG")),
    "crop to 90 % of each side": (20, edited(cropped_to(0.9))),
    "crop to 75 %": (20, edited(cropped_to(0.75))),
    "crop to 60 %": (20, edited(cropped_to(0.6))),
    "white margin": (30, edited(white_margin)),
    "messenger": (25, saved(by_messenger)),
    "filter": (20, edited(filtered)),
    "grey": (20, saved(grey)),
    "PNG": (15, saved(as_png)),
}


@dataclass(frozen=True)
class Planted:
    """A folder of photographs and copies. `sources`: the SHA-256 of the photograph of each file."""

    folder: Path
    sources: dict[str, str]
    kinds: dict[str, str]  # of copies only

    def judge(self, pairs: Pairs, same: SamePictures) -> tuple[Counter[str], list[list[str]]]:
        """Return how many copies of each kind are found with their photograph, and false pairs."""
        found: Counter[str] = Counter()
        false: list[list[str]] = []
        for pair in pairs:
            one, two = sorted(pair)
            first, second = self.sources[one], self.sources[two]
            if first == second:
                found[self.kinds.get(one) or self.kinds[two]] += 1
            elif not same.are_same(first, second):
                false.append([one, two])
        return found, false


def photographs(held: Path) -> Iterator[tuple[Path, bytes, Image.Image]]:
    """Yield the photographs of all sets in random order, seeded, without tiny and grey ones."""
    files = [file for name in SETS for file in sorted((held / name).rglob("*")) if file.is_file()]
    random.Random(SEED).shuffle(files)
    for file in files:
        data = file.read_bytes()
        try:
            image = Image.open(io.BytesIO(data))
            image.load()
        except (OSError, SyntaxError):
            continue
        if image.mode == "RGB" and min(image.size) >= LEAST_SIDE:
            yield file, data, open_upright(data)


def plant(held: Path, folder: Path) -> Planted:
    """Write the photographs and copies of the first 300 of them below `folder`."""
    copies = [(kind, copy) for kind, (count, copy) in KINDS.items() for _ in range(count)]
    planted = Planted(folder, {}, {})
    for number, (file, data, image) in enumerate(photographs(held)):
        if number == PHOTOGRAPHS:
            break
        digest = hashlib.sha256(data).hexdigest()
        name = f"photographs/{file.relative_to(held)}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        planted.sources[name] = digest
        if number < len(copies):
            kind, copy = copies[number]
            suffix, copied = copy(image, number)
            name = f"copies/{number:03} {kind.replace(' % of each side', '')}{suffix}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(copied)
            planted.sources[name], planted.kinds[name] = digest, kind
    return planted


def matched(planted: Planted, model: str, setting: str, scratch: Path) -> Pairs:
    """Return the pairs that `vecsim build-index` and `vecsim match` report."""
    index, output = scratch / f"{model}-{setting}", scratch / f"{model}-{setting}.csv"
    arguments = ("--model", model, "--orientations", setting)
    build = vecsim_command("build-index", index, planted.folder, *arguments)
    match = vecsim_command("match", index, "--orientations", setting, "--output", output)
    for command in (build, match):
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"{command}: {ran.stderr[-2000:]}")
    root = planted.folder.resolve()
    with output.open(newline="") as file:
        return {
            frozenset(
                str(Path(row[column]).resolve().relative_to(root))
                for column in ("query_url", "reference_url")
            )
            for row in csv.DictReader(file)
        }


def pdq_pairs(planted: Planted, orientations: int) -> Pairs:
    """Return the pairs within PDQ's distance, of 1 or 8 orientations of one of the two."""
    import pdqhash

    names = sorted(planted.sources)
    forms = []
    for name in names:
        pixels = np.asarray(open_upright((planted.folder / name).read_bytes()))
        forms.append(np.array(pdqhash.compute_dihedral(pixels)[0][:orientations], bool))
    bits = np.array(forms)
    plain = bits[:, 0].astype(np.int32)
    pairs: Pairs = set()
    for form in range(orientations):
        turned = bits[:, form].astype(np.int32)
        distances = turned @ (1 - plain).T + (1 - turned) @ plain.T
        for one, two in zip(*np.nonzero(distances <= SAME_BITS), strict=True):
            if one != two:
                pairs.add(frozenset((names[one], names[two])))
    return pairs


def main() -> None:
    """Plant, match, judge; print the table, and write false pairs if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("held", type=Path)
    parser.add_argument("--folder", type=Path, help="keep the planted folder here")
    parser.add_argument("--pairs", type=Path, help="write the false pairs here, as CSV")
    parser.add_argument("--ways", default="", help="only those that begin so")
    options = parser.parse_args()
    same = SamePictures.read()
    rows: list[dict[str, Any]] = []
    listed: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        planted = plant(options.held, options.folder or scratch / "planted")
        os.environ["VECSIM_INDEXES"] = str(scratch / "sources")
        ways: dict[str, Callable[[], Pairs]] = {
            "bundled": lambda: matched(planted, "bundled", "none", scratch),
            "bundled, turns": lambda: matched(planted, "bundled", "turns", scratch),
            "bundled, parts": lambda: matched(planted, "bundled", "parts", scratch),
            "phash": lambda: matched(planted, "phash", "none", scratch),
            "phash, all": lambda: matched(planted, "phash", "all", scratch),
            "PDQ": lambda: pdq_pairs(planted, 1),
            "PDQ, all": lambda: pdq_pairs(planted, 8),
        }
        for name, find in ways.items():
            if not name.startswith(options.ways):
                continue
            start = time.perf_counter()
            found, false = planted.judge(find(), same)
            listed += [[name, *pair] for pair in false]
            by_kind = {kind: f"{found[kind]} of {count}" for kind, (count, _) in KINDS.items()}
            rows.append(
                {"way": name, "copies": found.total(), "false pairs": len(false)}
                | by_kind
                | {"s": f"{time.perf_counter() - start:.1f}"}
            )
    columns = [{"": key} | {str(row["way"]): row[key] for row in rows} for key in rows[0]]
    print(table(columns[1:]))
    if options.pairs is not None:
        with options.pairs.open("w", newline="") as file:
            csv.writer(file).writerows([["way", "first", "second"], *listed])


if __name__ == "__main__":
    main()
