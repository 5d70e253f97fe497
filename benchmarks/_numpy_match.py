"""What people write without vecsim: match two arrays with NumPy and write the pairs as CSV.

    python benchmarks/_numpy_match.py FOLDER_A FOLDER_B THRESHOLD OUTPUT.csv

Each folder holds `vectors.npy`, float32, and `ids.txt`, one id a line. The columns are those of
`vecsim match`; vectors that were made elsewhere have no URLs. The baseline of `match.py`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np


def load(folder: Path) -> tuple[Any, list[str]]:
    """Load the vectors of a folder, normalised (n, d), and their ids."""
    vectors = np.load(folder / "vectors.npy")
    ids = (folder / "ids.txt").read_text().splitlines()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), ids


def main() -> None:
    """Match, write."""
    (queries, query_ids), (references, reference_ids) = map(load, map(Path, sys.argv[1:3]))
    scores = queries @ references.T
    rows, columns = np.nonzero(scores >= float(sys.argv[3]))
    found = zip(rows.tolist(), columns.tolist(), scores[rows, columns].tolist(), strict=True)
    with Path(sys.argv[4]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query_id", "query_url", "reference_id", "reference_url", "score"])
        writer.writerows(
            [query_ids[row], "", reference_ids[column], "", f"{score:.6f}"]
            for row, column, score in found
        )


if __name__ == "__main__":
    main()
