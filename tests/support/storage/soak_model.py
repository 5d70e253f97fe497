"""What the index of the soak must hold: groups of images with a version, kept in journals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from vecsim.index import Snapshot
from vecsim.records import Embedded, ImageFacts, ImageRef

DIM = 16
GROUP = 20  # images of a group; one transaction adds, replaces or removes all of them

Model = dict[str, int]  # group -> version


def vectors(group: str, version: int) -> np.ndarray:
    """The unit vectors (GROUP, DIM) of a version of a group, the same in every process."""
    seed = [int(part) for part in re.findall(r"\d+", group)]
    rows = np.random.default_rng([*seed, version]).standard_normal((GROUP, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def images(group: str, version: int) -> list[Embedded]:
    """The images of a version of a group."""
    return [
        Embedded(ImageRef(f"{group}/{number}", f"v{version}"), ImageFacts(), row)
        for number, row in enumerate(vectors(group, version))
    ]


def held(snapshot: Snapshot) -> Model:
    """The groups of a snapshot; raises AssertionError unless each is whole and of one version."""
    versions: dict[str, list[str]] = {}
    rows = list(snapshot.all_rows())
    keys, stored = snapshot.slice(0, snapshot.count)
    assert len(rows) == len(keys) == snapshot.count
    for row, vector in zip(rows, stored, strict=True):
        group, _, number = row.ref.id.rpartition("/")
        versions.setdefault(group, []).append(row.ref.url)
        expected = _cached(group, int(row.ref.url[1:]))[int(number)]
        assert np.array_equal(expected, vector), f"{row.ref.id} has another's vector"
    for group, urls in versions.items():
        assert len(urls) == GROUP, f"half of group {group}"
        assert len(set(urls)) == 1, f"two versions of group {group}"
    return {group: int(urls[0][1:]) for group, urls in versions.items()}


_cache: dict[tuple[str, int], np.ndarray] = {}


def _cached(group: str, version: int) -> np.ndarray:
    if len(_cache) > 1_000:
        _cache.clear()
    if (group, version) not in _cache:
        _cache[group, version] = vectors(group, version)
    return _cache[group, version]


def replay(journal: Path) -> tuple[Model, dict[str, object] | None, int]:
    """The model that a journal makes, the last entry if it was not done, and the next group."""
    model: Model = {}
    pending = None
    number = 0
    lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
    for line in lines:
        entry = json.loads(line)
        if entry["what"] == "done":
            apply(model, pending)
            pending = None
        elif entry["what"] == "undone":
            pending = None
        else:
            pending = entry
            number = max(number, int(entry["group"].rpartition("/")[2]) + 1)
    return model, pending, number


def apply(model: Model, entry: dict[str, object] | None) -> None:
    """Make the change of an entry of a journal in a model."""
    assert entry is not None
    group = str(entry["group"])
    if entry["what"] == "remove":
        del model[group]
    elif entry["what"] != "compact":
        model[group] = int(str(entry["version"]))
