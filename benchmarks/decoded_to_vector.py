"""Compares the bundled model with Keras' `model.predict`, from decoded photograph to vector.

    python benchmarks/decoded_to_vector.py [--repeats 9] [--output FILE.json]

The baseline resizes as the predecessor did (nearest neighbour, 224 pixels) and calls
`model.predict` of MobileNet 1.0 in batches of 32; its weights are random, which takes the same
time. Both resize on all cores, and take turns. The photographs are random pictures of 500 x 375
pixels; the last row has them at half the scale, as vecsim decodes such JPEGs for this model.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _common import interleaved, report
from PIL import Image

from vecsim.decode.margins import without_margins
from vecsim.decode.transform import squared
from vecsim.models import load_embedder
from vecsim.models.families.mobilenet import build_mobilenet
from vecsim.models.inference import quiet_stderr, scale_pixels
from vecsim.models.registry import find_spec
from vecsim.protocols import Preparation
from vecsim.records import UInt8

COUNT = 256
PREDICTED = "mobilenet"


def photographs() -> list[Image.Image]:
    """Make smooth random pictures, seeded."""
    random = np.random.default_rng(4)
    small = random.integers(0, 256, (COUNT, 30, 40, 3), dtype=np.uint8)
    return [Image.fromarray(each).resize((500, 375), Image.Resampling.BICUBIC) for each in small]


def squares(
    pictures: list[Image.Image], preparation: Preparation, pool: ThreadPoolExecutor
) -> UInt8:
    """Prepare all pictures, margins cut if the model asks for it: uint8 (n, size, size, 3)."""

    def square(picture: Image.Image) -> UInt8:
        inside = without_margins(picture) if preparation.margins == "trimmed" else picture
        return np.asarray(squared(inside, preparation))

    return np.stack(list(pool.map(square, pictures)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pictures = photographs()
    pool = ThreadPoolExecutor(os.cpu_count())
    spec = find_spec("bundled")
    bundled = load_embedder("bundled", device="cpu")
    with quiet_stderr():
        predicted = build_mobilenet(find_spec(PREDICTED), None)
    halved = [picture.reduce(2) for picture in pictures]
    ways: dict[str, Callable[[int], object]] = {
        "model.predict, MobileNet 1.0/224": lambda repeat: predicted.predict(
            scale_pixels(squares(pictures, find_spec(PREDICTED).preparation, pool)),
            batch_size=32,
            verbose=0,
        ),
        "bundled": lambda repeat: bundled.embed(squares(pictures, spec.preparation, pool)),
        "bundled, from a JPEG at half scale": lambda repeat: bundled.embed(
            squares(halved, spec.preparation, pool)
        ),
    }
    measured = interleaved(ways, options.repeats)
    base = next(iter(measured.values()))
    rows = [
        {
            "way": name,
            "pictures/s": round(COUNT / result.median),
            "x predict": round(base.median / result.median, 1),
            "processor ms a picture": round(1000 * result.median_cpu / COUNT, 1),
            "x predict (processor)": round(base.median_cpu / result.median_cpu, 1),
        }
        for name, result in measured.items()
    ]
    report("decoded_to_vector", rows, options.output)


if __name__ == "__main__":
    main()
