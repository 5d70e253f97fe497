"""How often what `vecsim calibrate` recommends has the precision asked for, where truth is known.

    python benchmarks/calibration.py --photographs FOLDER

Populations: the real embeddings of the shared data, 13,501 x 21,221, where the probability that a
pair shows the same picture grows with the score, steeply or not, and differs from image to image;
and edited copies (28 edits of each original) by phash and by the bundled model, where two copies of
one original are the same picture. By the bundled model also folders as people have them, of
which some pictures have one, three or six copies among many that have none. Each is labelled in
many seeded repetitions, as the command asks: 50 pairs, then 50 more above the likely threshold
until one is recommended (at most six pages). Printed for each: how often a threshold was
recommended, in how many of these cases its true precision was at least 0.95, how often its interval
contained it, the number of labels, and the thresholds beside the best one. Without --photographs,
the pictures of the shared data and of the demo are the originals, and the folders are small.
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
ORIGINALS = 150
OTHERS = 850
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


def pictures(photographs: Path | None) -> tuple[list[Path], list[Path]]:
    """Return originals to edit, and other pictures: of a folder, or of shared data and the demo."""
    if photographs is not None:
        paths = sorted(path for path in photographs.rglob("*") if path.is_file())
        return paths[:ORIGINALS], paths[ORIGINALS : ORIGINALS + OTHERS]
    near = SHARED / "near-duplicates"
    demo = REPOSITORY / "demo" / "images"
    return [
        *sorted((near / "imagededup" / "base_images").iterdir()),
        near / "pdq" / "bridge-mods" / "aaa-orig.jpg",
        *(demo / name for name in ("3.jpg", "4.jpg", "5.jpg")),
    ], []


def copies(photographs: Path | None, model: str) -> tuple[Float32, Int64]:
    """Embed originals, their edited copies and other pictures: vectors, number of each family."""
    from PIL import Image

    embedder = load_embedder(model, device="cpu")
    prepared, families = [], []

    def add(data: bytes, family: int) -> None:
        prepared.append(decode_image(data, embedder.preparation, DecodeLimits()).pixels)
        families.append(family)

    originals, others = pictures(photographs)
    for number, path in enumerate(originals):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((800, 800))
        edited = edited_copies(picture, np.random.default_rng([7, number]))
        for data in [path.read_bytes(), *edited.values()]:
            add(data, number)
    for number, path in enumerate(others, len(originals)):
        add(path.read_bytes(), number)
    return normalise(embedder.embed(np.stack(prepared))), np.array(families)


def folder_rows(families: Int64, number: int) -> Int64:
    """Return the rows of a folder: each first picture of a family, and `number` of its copies."""
    random = np.random.default_rng(number)
    rows = []
    for family in np.unique(families).tolist():
        first, *rest = np.flatnonzero(families == family).tolist()
        rows += [first, *random.choice(rest, min(number, len(rest)), replace=False).tolist()]
    return np.array(rows)


def of_families(vectors: Float32, families: Int64) -> Truth:
    """Return the truth of all pairs of `vectors`, where pairs of one family are the same."""
    counts, good = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    columns = np.arange(len(vectors))
    for row in range(0, len(vectors), ROWS):
        some = columns[row : row + ROWS]
        upper = columns[None] > some[:, None]
        bins = bins_of(score_matrix(vectors[some], vectors)[upper])
        same = (families[some, None] == families[None])[upper]
        counts += np.bincount(bins, minlength=BINS)
        good += np.bincount(bins[same], minlength=BINS)
    return Truth(ScoreCounts(counts), good)


def best_of(truth: Truth) -> float:
    """Return the lowest threshold from which on all thresholds have at least `PRECISION`."""
    bad = [bin_ for bin_ in truth.counts.thresholds.tolist() if truth.precision(bin_) < PRECISION]
    return score_of(max(bad) + 5) if bad else score_of(int(truth.counts.thresholds[0]))


def populations(photographs: Path | None) -> Iterator[tuple[str, int, Truth, int]]:
    """Yield all populations: name, images, truth, and the bin of the present threshold."""
    for model, present in (("phash", 1687), ("bundled", 1840)):
        vectors, families = copies(photographs, model)
        yield f"edited copies by {model}", len(vectors), of_families(vectors, families), present
    for number in (1, 3, 6):
        rows = folder_rows(families, number)
        truth = of_families(vectors[rows], families[rows])
        yield f"folder with {number} copies by bundled", len(rows), truth, present
    for population in embeddings():
        yield *population, 1845


def repeat_labelling(images: int, truth: Truth, present: int, repetitions: int) -> dict[str, str]:
    """Label one population `repetitions` times; return the columns of its row."""
    found, held, enough, labels = [], 0, 0, []
    for seed in range(repetitions):
        best, number = labelled_until_recommended(truth, seed, images=images, present=present)
        labels.append(number)
        if best is not None:
            found.append((best.threshold, truth.precision(best.bin), best.precision.width))
            enough += truth.precision(best.bin) >= PRECISION
            held += best.precision.low <= truth.precision(best.bin) <= best.precision.high
    thresholds, precisions, widths = np.array(found or [(np.nan,) * 3]).T
    median, most = np.quantile(labels, [0.5, 0.9])
    return {
        "recommended": f"{len(found) / repetitions:.1%}",
        "precision >= 0.95": f"{enough / max(1, len(found)):.1%}",
        "interval held": f"{held / max(1, len(found)):.1%}",
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
