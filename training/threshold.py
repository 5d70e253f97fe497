"""Find a model's threshold on the battery that battery.py made: false pairs and precision by score.

    python threshold.py --battery BATTERY --model new.tflite --beside old.tflite

A pair of different pictures is false unless `same_subject.csv` names both by the SHA-256 of their
160 x 160 pixels: pairs that were looked at and show one subject photographed twice. The upper bound
of false pairs in a million is that of 95 % for a Poisson count. Needs SciPy beside evaluate.py's.
"""

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
from evaluate import Pixels, Vectors, load_vectors
from numpy.typing import NDArray

SAME_SUBJECT = Path(__file__).with_name("same_subject.csv")
LOWEST = 0.8


def pixel_hash(pixels: Pixels) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def positions(hashes: list[str], file: Path) -> set[tuple[int, int]]:
    """Rows of the pairs in `file`, in both orders."""
    row = {digest: number for number, digest in enumerate(hashes)}
    with file.open(newline="") as stream:
        pairs = [(line["first_pixels"], line["second_pixels"]) for line in csv.DictReader(stream)]
    found = {(row[one], row[two]) for one, two in pairs if one in row and two in row}
    return found | {(two, one) for one, two in found}


def false_scores(
    copies: Vectors, references: Vectors, same: set[tuple[int, int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Scores from LOWEST on: of edited copies with others, of unedited pairs; how many were left
    out as the same subject among the former.
    """
    edited: list[float] = []
    left_out = 0
    for query in range(len(copies)):
        scores = copies[query, 1:] @ references.T
        scores[:, query] = -2
        for edit, other in zip(*np.nonzero(scores >= LOWEST), strict=True):
            if (query, int(other)) in same:
                left_out += 1
            else:
                edited.append(float(scores[edit, other]))
    plain: list[NDArray[np.float32]] = []
    for start in range(0, len(references), 512):
        scores = np.triu(references[start : start + 512] @ references.T, k=start + 1)
        plain.append(scores[scores >= LOWEST])
    return np.array(edited, np.float32), np.concatenate(plain), left_out


def main() -> None:
    """Parse the command line; print the table."""
    from _retrieval import SAME, distinct
    from scipy.stats import chi2

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--battery", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="models of the choice")
    options = parser.parse_args()
    both = [load_vectors(options.battery, path) for path in (options.model, *options.beside)]
    keep = np.logical_and.reduce([distinct(*pair, SAME) for pair in both])
    copies, distractors = both[0]
    references = np.concatenate([copies[:, 0], distractors[keep]])
    queries = np.load(options.battery / "copies.npy", mmap_mode="r")[:, 0]
    others = np.load(options.battery / "distractors.npy", mmap_mode="r")
    hashes = [pixel_hash(picture) for picture in queries]
    hashes += [pixel_hash(others[number]) for number in np.nonzero(keep)[0]]
    edited, plain, left_out = false_scores(copies, references, positions(hashes, SAME_SUBJECT))
    right = np.einsum("qed,qd->qe", copies[:, 1:], copies[:, 0])
    millions = len(references) * (len(references) - 1) / 2e6
    print(f"{len(references)} pictures, {millions:.0f} million pairs; {left_out} same subject")
    print("score  recall  false edited  precision  false unedited  in a million")
    for score in np.arange(LOWEST, 0.9, 0.005):
        found, wrong, count = (int((s >= score).sum()) for s in (right, edited, plain))
        bound = chi2.ppf(0.95, 2 * (count + 1)) / 2 / millions
        share = found / (found + wrong)
        recall = found / right.size
        print(f"{score:.3f}  {recall:.4f}  {wrong:12}  {share:.5f}  {count:16}  {bound:10.3f}")


if __name__ == "__main__":
    main()
