"""Does `vecsim calibrate` keep its word? Labelled again and again where the truth is known.

    python benchmarks/calibration.py

Populations: the real embeddings of the shared data, 13,501 x 21,221, whose pairs are the same
picture with a probability that grows with the score, steeply or not, and differs from image to
image; and edited copies (28 edits of each original) by phash and by the bundled model, where same
means of one original. Each is labelled from the start in many seeded repetitions, as the command
tells people to: 50 pairs, then 50 more near the threshold until one is recommended (at most four
pages). Told for each: how often there was a recommendation, how often its interval held the true
precision and was no wider than 0.15, how many labels it took, and the thresholds found beside the
one that full knowledge would choose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from _common import SHARED, features, report
from _edits import edited_copies

from support.truth import Truth, labelled_until_recommended
from vecsim.decode import DecodeLimits
from vecsim.decode.image import decode_image
from vecsim.models import load_embedder
from vecsim.operations.calibrating.counting import BINS, ScoreCounts, bins_of, score_of
from vecsim.records import Float32, Int64
from vecsim.search.score import normalise, score_matrix

PRECISION = 0.95
ROWS = 1024
# Where half of the pairs are the same picture, how steeply that changes, and how much this differs
# from image to image (standard deviation, in scores).
LIKENESS = [(0.80, 60, 0.0), (0.80, 25, 0.0), (0.845, 60, 0.02), (0.87, 40, 0.03), (0.75, 40, 0.02)]


def embeddings() -> Iterator[tuple[str, int, Truth]]:
    """The shared embeddings with made-up likeness: name, images, truth."""
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
    """Different pictures: those given, or those of the shared data and of the demo."""
    if photographs is not None:
        return sorted(path for path in photographs.rglob("*") if path.is_file())[:200]
    near = SHARED / "near-duplicates"
    demo = Path(__file__).resolve().parents[1] / "demo" / "images"
    return [
        *sorted((near / "imagededup" / "base_images").iterdir()),
        near / "pdq" / "bridge-mods" / "aaa-orig.jpg",
        *(demo / name for name in ("3.jpg", "4.jpg", "5.jpg")),
    ]


def copies(photographs: Path | None, model: str) -> tuple[int, Truth]:
    """Edited copies of pictures, matched with themselves: images, truth."""
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
    """The pairs of vectors among themselves, of which those of one family are the same."""
    upper = np.triu_indices(len(vectors), 1)
    bins = bins_of(score_matrix(vectors, vectors)[upper])
    same = families[upper[0]] == families[upper[1]]
    counts = np.bincount(bins, minlength=BINS)
    return Truth(ScoreCounts(counts), np.bincount(bins[same], minlength=BINS))


def best_of(truth: Truth) -> float:
    """The lowest threshold from which on all have the precision asked for."""
    bad = [bin_ for bin_ in truth.counts.thresholds.tolist() if truth.precision(bin_) < PRECISION]
    return score_of(max(bad) + 5) if bad else score_of(int(truth.counts.thresholds[0]))


def populations(photographs: Path | None) -> Iterator[tuple[str, int, Truth, int]]:
    """All of them: name, images, truth, and the bin of the present threshold."""
    for model, present in (("phash", 1687), ("bundled", 1845)):
        yield f"edited copies by {model}", *copies(photographs, model), present
    for population in embeddings():
        yield *population, 1845


@click.command()
@click.option("--repetitions", default=200, show_default=True)
@click.option("--photographs", type=click.Path(path_type=Path), help="Originals to be edited.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(repetitions: int, photographs: Path | None, output: Path | None) -> None:
    """Measure how often intervals hold."""
    rows = []
    for name, images, truth, present in populations(photographs):
        told, held, labels = [], 0, []
        for seed in range(repetitions):
            best, number = labelled_until_recommended(truth, seed, images=images, present=present)
            labels.append(number)
            if best is not None:
                told.append((best.threshold, truth.precision(best.bin), best.precision.width))
                held += best.precision.low <= truth.precision(best.bin) <= best.precision.high
        thresholds, precisions, widths = np.array(told or [(np.nan,) * 3]).T
        narrow = float((widths <= 0.15).mean())
        median, most = np.quantile(labels, [0.5, 0.9])
        rows.append(
            {
                "population": name,
                "recommended": f"{len(told) / repetitions:.1%}",
                "interval held": f"{held / repetitions:.1%}",
                "width <= 0.15": f"{narrow:.1%}",
                "labels: median (90 %)": f"{median:.0f} ({most:.0f})",
                "width": f"{np.median(widths):.3f}",
                "true precision: 5 to 95 %": "{:.3f} to {:.3f}".format(
                    *np.quantile(precisions, [0.05, 0.95])
                ),
                "threshold: 5 to 95 %": "{:.3f} to {:.3f}".format(
                    *np.quantile(thresholds, [0.05, 0.95])
                ),
                "with full knowledge": f"{best_of(truth):.3f}",
            }
        )
        print(rows[-1], file=sys.stderr)
    report("calibration", rows, output)


if __name__ == "__main__":
    main()
