"""How many pairs of different photographs reach a threshold, in each setting of orientations.

    python benchmarks/orientations.py FOLDER... [--count 4000] [--documents 0] [--model bundled]

Takes `--count` pictures of the folders at random, and `--documents` pages of text, logos, drawings
and charts that `_documents.py` makes (its fonts are matplotlib's), stores them in all orientations
and matches them with themselves in each setting. Every pair counts as false: give folders of
different photographs, and look at what `--pairs FILE.csv` lists: the highest scores, as they are
and turned. Of photographs whose score as they are is at least 0.95, which may be one, the first
stays.

Prints, for each setting, pairs per million at several scores, the lowest score from which on at
most one pair in a million is left, and the lowest from which on no more are left than with `none`
at the model's threshold: the threshold of that setting. With `turns` each pair has seven chances
where `none` has one: four turns of the query, and three of the reference.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
from pathlib import Path

import numpy as np
from _documents import write_documents

import vecsim
from vecsim import Index
from vecsim.orientations import SETTINGS

LOWEST = 0.6
SAME = 0.95
SCORES = (0.7, 0.75, 0.8, 0.84, 0.86, 0.88, 0.9)
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LISTED = 200


def choose(folders: list[Path], count: int) -> list[Path]:
    """Return `count` pictures of the folders at random, seeded."""
    files = sorted(
        file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES
    )
    return random.Random(1).sample(files, min(count, len(files)))


def without_doubles(index: Index, documents: set[str]) -> None:
    """Remove the second picture of each pair that may be one photograph: no `documents`."""
    seconds = {
        pair.reference_id
        for pair in vecsim.match(index, threshold=SAME, show_all=True)
        if not documents & {pair.query_url, pair.reference_url}
    }
    index.remove(seconds)
    print(f"{len(seconds)} pictures left out that score {SAME} or more with another one")


def main() -> None:
    """Parse the command line; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--pairs", type=Path, help="write the highest scores of turned pictures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(
            Path(folder) / "index", options.model, orientations="parts", thumbnails=False
        )
        index.add(choose(options.folders, options.count))
        documents = write_documents(Path(folder) / "documents", options.documents)
        if documents:
            index.add(documents)
        without_doubles(index, {str(file) for file in documents})
        count = len(index)
        millions = count * (count - 1) / 2e6
        print(f"{index.fingerprint}, {count:,} pictures, {millions:.1f} million pairs")
        print(
            "setting  " + "".join(f"{score:>9}" for score in SCORES) + "  1 in a million  as none"
        )
        usual = -1
        for setting in SETTINGS:
            found = vecsim.match(index, threshold=LOWEST, orientations=setting, show_all=True)
            scores = np.sort(found.to_numpy()["score"])[::-1]
            rates = [np.count_nonzero(scores >= score) / millions for score in SCORES]
            if usual < 0:
                usual = np.count_nonzero(scores >= index.threshold)
            limits = [
                scores[allowed] + 1e-6 if len(scores) > allowed else LOWEST
                for allowed in (int(millions), usual)
            ]
            print(
                f"{setting:9}" + "".join(f"{rate:9.2f}" for rate in rates),
                f"{limits[0]:14.4f} {limits[1]:8.4f}",
                flush=True,
            )
        if options.pairs is not None:
            write_pairs(index, options.pairs)
        index.close()


def write_pairs(index: Index, file: Path) -> None:
    """Write the pairs with the highest scores, as they are and turned or mirrored."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["score", "orientation", "query", "reference"])
        for setting in ("none", "parts"):
            found = vecsim.match(index, threshold=LOWEST, orientations=setting, show_all=True)
            pairs = [m for m in found if setting == "none" or m.orientation != "0"]
            for match in sorted(pairs, key=lambda m: -m.score)[:LISTED]:
                row = [match.score, match.orientation, match.query_url, match.reference_url]
                writer.writerow(row)


if __name__ == "__main__":
    main()
