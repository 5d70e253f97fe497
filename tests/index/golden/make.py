"""Makes the golden index of the present format version. Run it once for each new format, only then.

    python tests/index/golden/make.py tests/index/golden/v1

What is committed must never be made again: that old files still load is the point.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vecsim import Index

FIELDS = [{"name": f"Größe {row}"} for row in range(40)]


def vectors() -> np.ndarray:
    """40 vectors (40, 8) of small whole numbers, so that every score can be checked by hand."""
    rows, columns = np.indices((40, 8))
    return ((rows * (columns + 2) * 7 + columns * columns) % 11 - 5).astype(np.float32)


def make(path: Path) -> None:
    """An index of several segments, with removed images, fields and URLs."""
    rows = vectors()
    ids = [f"image-{row}" for row in range(40)]
    urls = [f"https://example.com/{row}.jpg" for row in range(40)]
    parts = [slice(0, 25), slice(25, 38), slice(38, 40)]
    index = Index.from_vectors(path, rows[:0], [], model="golden")
    for part in parts:
        index.add_vectors(rows[part], ids[part], urls=urls[part], fields=FIELDS[part])
    index.remove(["image-3", "image-30"])
    index.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
