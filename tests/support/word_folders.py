"""Folders of pictures for `apply`: the bytes of a file are a word, and its letter is the picture.

The words a1 and a2 are two versions of one picture, at a score of 0.99 and more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vecsim.index import Snapshot
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.operations.applying import Choice
from vecsim.records import Embedded, Fingerprint, ImageFacts, ImageRef

WORDS = ("a1", "a2", "a3", "b1", "b2", "c1")
THRESHOLD = 0.95
_DIM = 8
FINGERPRINT = Fingerprint("external", "", "", _DIM)


def sha256(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def vector(word: str) -> np.ndarray:
    letter, version = ord(word[0]), int(word[1:])
    found = np.random.default_rng(letter).standard_normal(_DIM)
    found = found / np.linalg.norm(found)
    found[version % _DIM] += 0.02
    return (found / np.linalg.norm(found)).astype(np.float32)


def write(path: Path, word: str) -> None:
    """Write a file with a mode and times that its path decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(word)
    number = sum(map(ord, path.name))
    path.chmod(0o600 + number % 0o100)
    os.utime(path, ns=(1_600_000_000_000_000_000 + number, 1_500_000_000_000_000_000 + number))


def names(folder: Path) -> list[Path]:
    """All readable files below a folder, as a source lists them: links to files too."""
    found = []
    for root, _, files in os.walk(folder):
        paths = (Path(root, name) for name in files if not name.startswith("."))
        found += [path for path in paths if path.is_file()]
    return sorted(found)


def index_folder(index: Path, folder: Path) -> None:
    """Make the index hold what the folder lists now."""
    if not index.exists():
        create_index(index, FINGERPRINT)
    with Writer(index) as writer:
        listed = {str(path): path.read_text() for path in names(folder)}
        with Snapshot(index) as snapshot:
            known = {row.ref.id: row.facts.sha256 for row in snapshot.all_rows()}
        writer.remove(known.keys() - listed.keys())
        images = [
            Embedded(ImageRef(path, path), ImageFacts(sha256=sha256(word)), vector(word))
            for path, word in listed.items()
            if known.get(path) != sha256(word)
        ]
        writer.commit(images)


def ids(index: Path) -> set[str]:
    with Snapshot(index) as snapshot:
        return {row.ref.id for row in snapshot.all_rows()}


def choices(groups: Iterable[Sequence[tuple[Path, bool]]]) -> list[Choice]:
    return [
        Choice(str(path), str(path), str(number), keep, f"list line {number}")
        for number, group in enumerate(groups, 1)
        for path, keep in group
    ]
