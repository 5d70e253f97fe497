"""How often the intervals of `vecsim calibrate` hold, where the truth is known.

    python benchmarks/calibration.py

Populations: the real embeddings of the shared data, 13,501 x 21,221, where the probability that a
pair shows the same picture grows with the score, steeply or not, and differs from image to image;
and edited copies (28 edits of each original) by phash and by the bundled model, where two copies of
one original are the same picture. Each is labelled in many seeded repetitions, as the command asks:
50 pairs, then 50 more near the threshold until one is recommended (at most four pages). Printed for
each: how often a threshold was recommended, how often its interval contained the true precision and
was no wider than 0.15, the number of labels, and the thresholds beside the best one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from _common import REPOSITORY, SHARED, features, report
from _edits import edited_copies

sys.path.insert(0, str(REPOSITORY / "tests"))
from support.truth import Truth, labelled_until_recommended
from vecsim.decode import DecodeLimits
from vecsim.decode.image import decode_image
from vecsim.models import load_embedder
from vecsim.operations.calibrating.counting import BINS, ScoreCounts, bins_of, score_of
from vecsim.records import Float32, Int64
from vecsim.search.score import normalise, score_matrix

PRECISION = 0.95
ROWS = 1024
LIKENESS = [(0.80, 60, 0.0), (0.80, 25, 0.0), (0.845, 60, 0.02), (0.87, 40, 0.03), (0.75, 40, 0.02)]
"""The score at which half of the pairs show the same picture, the slope of the logistic curve
there, and how much that score differs between images (standard deviation)."""


def embeddings() -> Iterator[tuple[str, int, Truth]]:
    """Yield populations of the shared embeddings with synthetic truth: name, images, truth."""
    first, second = features()
    random = np.random.default_rng(3)
    own = [
        (random.standard_normal(len(first)), random.standard_normal(len(second))) for _ in LIKENESS
    ]
    counts, same = np.zeros(BINS, np.int64), np.zeros((len(LIKENESS), BINS), np.int64)
    for row in range(0, len(first), ROWS):
        for column in range(0, len(second), ROWS):
            scores = score_matrix(first[row : row + ROWS], second[column : column + ROWS])
            counts += np.bincount(bins_of(scores.ravel()), minlength=BINS)
            query, reference = np.nonzero(scores >= 0.6)
            near = scores[query, reference]
            for number, (middle, slope, spread) in enumerate(LIKENESS):
                ours, theirs = own[number]
                moved = near + spread * (ours[row + query] + theirs[column + reference]) / 2**0.5
                chance = random.random(len(near)) < 1 / (1 + np.exp(-slope * (moved - middle)))
                same[number] += np.bincount(bins_of(near[chance]), minlength=BINS)
    for (middle, slope, spread), good in zip(LIKENESS, same, strict=True):
        name = f"embeddings, half at {middle}, slope {slope}, spread {spread}"
        yield name, len(first) + len(second), Truth(ScoreCounts(counts), good)


def originals(photographs: Path | None) -> list[Path]:
    """Return different pictures: the given ones, or those of the shared data and of the demo."""
    if photographs is not None:
        return sorted(path for path in photographs.rglob("*") if path.is_file())[:200]
    near = SHARED / "near-duplicates"
    demo = REPOSITORY / "demo" / "images"
    return [
        *sorted((near / "imagededup" / "base_images").iterdir()),
        near / "pdq" / "bridge-mods" / "aaa-orig.jpg",
        *(demo / name for name in ("3.jpg", "4.jpg", "5.jpg")),
    ]


def copies(photographs: Path | None, model: str) -> tuple[int, Truth]:
    """Match edited copies of pictures among themselves; return the number of images, and truth."""
    from PIL import Image

    embedder = load_embedder(model, device="cpu")
    vectors, families = [], []
    for number, path in enumerate(originals(photographs)):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((800, 800))
        edited = edited_copies(picture, np.random.default_rng([7, number]))
        for data in [path.read_bytes(), *edited.values()]:
            pixels = decode_image(data, embedder.preparation, DecodeLimits()).pixels
            vectors.append(embedder.embed(pixels[None])[0])
            families.append(number)
    return len(vectors), of_families(normalise(np.stack(vectors)), np.array(families))


def of_families(vectors: Float32, families: Int64) -> Truth:
    """Return the truth of all pairs of `vectors`, where pairs of one family are the same."""
    upper = np.triu_indices(len(vectors), 1)
    bins = bins_of(score_matrix(vectors, vectors)[upper])
    same = families[upper[0]] == families[upper[1]]
    counts = np.bincount(bins, minlength=BINS)
    return Truth(ScoreCounts(counts), np.bincount(bins[same], minlength=BINS))


def best_of(truth: Truth) -> float:
    """Return the lowest threshold from which on all thresholds have at least `PRECISION`."""
    bad = [bin_ for bin_ in truth.counts.thresholds.tolist() if truth.precision(bin_) < PRECISION]
    return score_of(max(bad) + 5) if bad else score_of(int(truth.counts.thresholds[0]))


def populations(photographs: Path | None) -> Iterator[tuple[str, int, Truth, int]]:
    """Yield all populations: name, images, truth, and the bin of the present threshold."""
    for model, present in (("phash", 1687), ("bundled", 1840)):
        yield f"edited copies by {model}", *copies(photographs, model), present
    for population in embeddings():
        yield *population, 1845


def repeat_labelling(images: int, truth: Truth, present: int, repetitions: int) -> dict[str, str]:
    """Label one population `repetitions` times; return the columns of its row."""
    found, held, labels = [], 0, []
    for seed in range(repetitions):
        best, number = labelled_until_recommended(truth, seed, images=images, present=present)
        labels.append(number)
        if best is not None:
            found.append((best.threshold, truth.precision(best.bin), best.precision.width))
            held += best.precision.low <= truth.precision(best.bin) <= best.precision.high
    thresholds, precisions, widths = np.array(found or [(np.nan,) * 3]).T
    median, most = np.quantile(labels, [0.5, 0.9])
    return {
        "recommended": f"{len(found) / repetitions:.1%}",
        "interval held": f"{held / repetitions:.1%}",
        "width <= 0.15": f"{(widths <= 0.15).mean():.1%}",
        "labels: median (90 %)": f"{median:.0f} ({most:.0f})",
        "width": f"{np.median(widths):.3f}",
        "true precision: 5 to 95 %": "{:.3f} to {:.3f}".format(
            *np.quantile(precisions, [0.05, 0.95])
        ),
        "threshold: 5 to 95 %": "{:.3f} to {:.3f}".format(*np.quantile(thresholds, [0.05, 0.95])),
    }


@click.command()
@click.option("--repetitions", default=200, show_default=True)
@click.option("--photographs", type=click.Path(path_type=Path), help="Folder of originals to edit.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(repetitions: int, photographs: Path | None, output: Path | None) -> None:
    """Measure how often intervals hold."""
    rows = []
    for name, images, truth, present in populations(photographs):
        columns = repeat_labelling(images, truth, present, repetitions)
        best = f"{best_of(truth):.3f}"
        rows.append({"population": name, **columns, "with full knowledge": best})
        print(rows[-1], file=sys.stderr)
    report("calibration", rows, output)


if __name__ == "__main__":
    main()
