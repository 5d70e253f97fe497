"""What a page of pairs to label asks, as `calibrate --label` writes it, and answers to that."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r'<script type="application/json" class="data">(.*?)</script>', re.S)


def pairs_on(page: Path) -> list[tuple[str, str, float, float, float]]:
    """The pairs on a page: ids, score, and the bounds of the stratum."""
    images: list[list[Any]] = []
    flat: list[int] = []
    strata: list[list[float]] = []
    for text in _BLOCK.findall(page.read_text("utf-8")):
        block = json.loads(text)
        images += block.get("images", [])
        flat += block.get("pairs", [])
        strata += block.get("strata", [])
    rows = zip(flat[::3], flat[1::3], flat[2::3], strata, strict=True)
    return [(images[q][1], images[r][1], score / 1e6, *bounds) for q, r, score, bounds in rows]


def label_pairs(page: Path, output: Path, same: Callable[[str, str], bool], skip: int = 0) -> Path:
    """Label the pairs of a page by `same`; the first `skip` pairs are skipped."""
    with output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["query_id", "reference_id", "score", "stratum_from", "stratum_to", "answer"]
        )
        for number, (query, reference, *rest) in enumerate(pairs_on(page)):
            label = "same" if same(query, reference) else "different"
            writer.writerow([query, reference, *rest, "skip" if number < skip else label])
    return output
