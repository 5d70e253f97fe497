"""Compare a student with its teacher on the held-aside battery.

    python evaluate.py --data DATA --checkpoint RUN/last.pt     (PyTorch)
    python evaluate.py --data DATA --model bundled.tflite       (LiteRT, what ships)

Prints a table and, with --json, writes all figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from battery import EDITS
from numpy.typing import NDArray

THRESHOLD = 0.845
SAME = 0.95  # teacher cosine from which a distractor may show a query's subject itself
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one model achieves."""

    recall_at_999: float
    threshold_at_999: float
    recall_at_99: float
    threshold_at_99: float
    recall_at_threshold: float
    false_pairs: int
    pairs: int
    false_pairs_unedited: int
    pairs_unedited: int
    mean_average_precision: float
    by_edit: dict[str, tuple[float, float]]  # recall at 99.9 % precision, at the threshold

    @property
    def false_rate(self) -> float:
        """False pairs per pair of an edited copy and another picture, at the threshold."""
        return self.false_pairs / self.pairs


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Vectors [..., D] scaled to length 1."""
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


def recall_at(precision: float, matches: Vectors, others: Vectors) -> tuple[float, float]:
    """Share of `matches` kept, and the threshold, where `precision` of all kept pairs are matches.

    `others` are the highest scores of pairs that do not match, at least as many as matter.
    """
    scores = np.concatenate([matches, others])
    right = np.concatenate([np.ones(len(matches)), np.zeros(len(others))])
    order = np.argsort(-scores, kind="stable")
    kept = np.cumsum(right[order])
    good = np.nonzero(kept >= precision * np.arange(1, len(scores) + 1))[0]
    if not len(good):
        return 0.0, 1.0
    return float(kept[good[-1]] / len(matches)), float(scores[order[good[-1]]])


def measure(copies: Vectors, distractors: Vectors) -> Figures:
    """Figures of unit `copies` [Q, 1 + edits, D] (the original first) and `distractors` [N, D]."""
    queries, versions, _ = copies.shape
    originals = copies[:, 0]
    references = np.concatenate([originals, distractors])
    matches = np.einsum("qed,qd->qe", copies[:, 1:], originals)
    tops: list[Vectors] = []
    false_pairs, precisions = 0, []
    for query in range(queries):
        scores = copies[query, 1:] @ references.T
        own = scores[:, query].copy()
        scores[:, query] = -1.0
        false_pairs += int((scores >= THRESHOLD).sum())
        precisions.append(1.0 / (1 + (scores > own[:, None]).sum(axis=1)))
        tops.append(np.partition(scores, -2000, axis=None)[-2000:])
    others = np.concatenate(tops)
    found = 0
    for start in range(0, len(references), 512):
        found += int((references[start : start + 512] @ references.T >= THRESHOLD).sum())
    false_unedited = (found - len(references)) // 2
    recall_999, threshold_999 = recall_at(0.999, matches.ravel(), others)
    recall_99, threshold_99 = recall_at(0.99, matches.ravel(), others)
    by_edit = {
        name: (
            float((matches[:, column] >= threshold_999).mean()),
            float((matches[:, column] >= THRESHOLD).mean()),
        )
        for column, name in enumerate(EDITS)
    }
    return Figures(
        recall_999,
        threshold_999,
        recall_99,
        threshold_99,
        float((matches >= THRESHOLD).mean()),
        false_pairs,
        queries * (versions - 1) * (len(references) - 1),
        false_unedited,
        len(references) * (len(references) - 1) // 2,
        float(np.mean(precisions)),
        by_edit,
    )


def correlation(first: Vectors, second: Vectors) -> float:
    """Correlation of the two models' cosines over random pairs of different pictures."""
    random = np.random.default_rng(0)
    left, right = random.integers(len(first), size=(2, 200_000))
    left, right = left[left != right], right[left != right]
    one = np.einsum("nd,nd->n", first[left], first[right])
    two = np.einsum("nd,nd->n", second[left], second[right])
    return float(np.corrcoef(one, two)[0, 1])


def lite_embedder(model: Path) -> Callable[[NDArray[np.uint8]], Vectors]:
    """Embed with a LiteRT model."""
    from teacher import LiteModel

    return LiteModel(model).embed


def torch_embedder(checkpoint: Path, which: str) -> Callable[[NDArray[np.uint8]], Vectors]:
    """Embed with a checkpoint's weights."""
    import torch
    from fold import load_student
    from train import scale

    student = load_student(checkpoint, which).to(memory_format=torch.channels_last)

    def embed(pictures: NDArray[np.uint8]) -> Vectors:
        with torch.inference_mode():
            embedded: Vectors = student(scale(torch.from_numpy(pictures))).numpy()
        return embedded

    return embed


def embed_all(
    embed: Callable[[NDArray[np.uint8]], Vectors], pictures: NDArray[np.uint8]
) -> Vectors:
    """Unit vectors of all pictures [N, S, S, 3], in batches."""
    return unit(
        np.concatenate([embed(pictures[at : at + 32]) for at in range(0, len(pictures), 32)])
    )


def main() -> None:
    """Measure the teacher and a student."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--which", default="average")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.data / "battery.npz") as file:
        copies, distractors = file["copies"], file["distractors"]
        teacher_copies = unit(file["copies_teacher"])
        teacher_others = unit(file["distractors_teacher"])
    alike = (teacher_others @ teacher_copies[:, 0].T).max(axis=1) >= SAME
    distractors, teacher_others = distractors[~alike], teacher_others[~alike]
    if arguments.model:
        embed = lite_embedder(arguments.model)
    else:
        embed = torch_embedder(arguments.checkpoint, arguments.which)
    queries, versions = copies.shape[:2]
    flat = copies.reshape(-1, *copies.shape[2:])
    student_copies = embed_all(embed, flat).reshape(queries, versions, -1)
    student_others = embed_all(embed, distractors)
    figures = {
        "teacher": measure(teacher_copies, teacher_others),
        "student": measure(student_copies, student_others),
    }
    follows = correlation(student_others, teacher_others)
    print(f"{queries} queries, {versions - 1} edits, {len(distractors)} distractors")
    print(f"correlation with the teacher {follows:.4f}")
    for name, entry in figures.items():
        print(
            f"{name}: recall at 99.9 % {entry.recall_at_999:.4f}"
            f" (from {entry.threshold_at_999:.3f}),"
            f" at 99 % {entry.recall_at_99:.4f} (from {entry.threshold_at_99:.3f});"
            f" at {THRESHOLD}: recall {entry.recall_at_threshold:.4f},"
            f" false {entry.false_pairs} of {entry.pairs} ({entry.false_rate:.2e}),"
            f" among unedited {entry.false_pairs_unedited} of {entry.pairs_unedited};"
            f" mAP {entry.mean_average_precision:.4f}"
        )
    for edit in EDITS:
        cells = [f"{value:.3f}" for entry in figures.values() for value in entry.by_edit[edit]]
        print(f"{edit:16s} teacher {cells[0]} {cells[1]}  student {cells[2]} {cells[3]}")
    if arguments.json:
        words = {name: asdict(entry) for name, entry in figures.items()}
        report = {"correlation": follows, "distractors": len(distractors), **words}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
