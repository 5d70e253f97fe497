"""Make the battery of `benchmarks/quality.py` once, as pixels, so that evaluating weights is fast.

    python battery.py --photographs HELD --battery BATTERY

The same queries, edits and distractors as there, decoded as vecsim does. BATTERY receives
copies.npy (uint8 [Q, 1 + edits, 160, 160, 3], originals first) and distractors.npy (uint8 [N,
160, 160, 3]). Needs vecsim with its dependencies; stop it at any time, the same command resumes.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

Pixels = NDArray[np.uint8]


def decode(data: bytes) -> Pixels | None:
    """Pixels of an image file as vecsim gives them to the bundled model; None if unreadable."""
    from vecsim.decode import DecodeLimits
    from vecsim.decode.image import decode_image
    from vecsim.errors import ImageError
    from vecsim.models.registry import find_spec

    try:
        return decode_image(data, find_spec("bundled").preparation, DecodeLimits()).pixels
    except (ImageError, OSError, ValueError, SyntaxError):
        return None


def make_copies(number: int, path: Path) -> Pixels | None:
    """A query's original and its edited copies: uint8 [1 + edits, side, side, 3]."""
    from _described import SEED, WORKING_SIDE
    from _edits import edited_copies
    from _models import open_upright

    try:
        image = open_upright(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return None
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    copies = edited_copies(image, np.random.default_rng([SEED, number]))
    decoded = [decode(file) for file in (buffer.getvalue(), *copies.values())]
    return np.stack([pixels for pixels in decoded if pixels is not None])


def in_blocks(folder: Path, name: str, count: int, size: int) -> list[tuple[Path, range]]:
    """Files for blocks of `size` of `count` items that do not exist yet, and the items of each."""
    starts = range(0, count, size)
    blocks = [
        (folder / f"{name}-{start:06}.npy", range(start, min(start + size, count)))
        for start in starts
    ]
    return [(path, items) for path, items in blocks if not path.exists()]


def save(path: Path, arrays: list[Pixels | None]) -> None:
    """Write the arrays that are not None as one, atomically."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.stack([array for array in arrays if array is not None]))
    partial.rename(path)
    print(path.name, flush=True)


def join(folder: Path, name: str) -> None:
    """Concatenate the blocks of `name` into one file."""
    blocks = [np.load(path) for path in sorted(folder.glob(f"{name}-*.npy"))]
    np.save(folder / f"{name}.npy", np.concatenate(blocks))


def main() -> None:
    """Parse the command line; make what is missing."""
    from _described import choose

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, required=True, help="made by prepare.py --held")
    parser.add_argument("--battery", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=480)
    parser.add_argument("--most", type=int, default=6000, help="distractors of one set")
    options = parser.parse_args()
    options.battery.mkdir(parents=True, exist_ok=True)
    queries, others = choose(options.photographs, options.queries, options.most)
    for path, items in in_blocks(options.battery, "copies", len(queries), 24):
        save(path, [make_copies(number, queries[number]) for number in items])
    for path, items in in_blocks(options.battery, "distractors", len(others), 512):
        save(path, [decode(others[number].read_bytes()) for number in items])
    join(options.battery, "copies")
    join(options.battery, "distractors")


if __name__ == "__main__":
    main()
