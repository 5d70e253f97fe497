"""Describes queries, their edited copies and distractors by the models that `quality.py` tests.

The vectors of a model are kept in a file, so that measures can be taken again without embedding.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _edits import SAVED_QUALITY, edited_copies
from _models import TestedModel, load_tested, open_upright
from _passed_on import passed_on
from _retrieval import Vectors
from _same_pictures import SamePictures

from vecsim.errors import ImageError

SEED = 8
WORKING_SIDE = 800  # pixels; originals are reduced to this before they are edited
UNREADABLE = (ImageError, OSError, ValueError, SyntaxError)
WAYS = ("mirrored", "turned by 90", "turned by 180", "screenshot, phone", "screenshot, post")
WAYS += ("screenshot, desktop", "photographed", "white margin", "meme")
WAYS += ("collage of two", "collage of four")


# The models of a worker process, loaded once, and the pictures that collages are made with.
_models: dict[str, TestedModel] = {}
_others: list[Path] = []


def start_worker(arguments: list[str], others: list[Path]) -> None:
    """Load all models in this process."""
    _models.update(load_tested(argument) for argument in arguments)
    _others.extend(others)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Vectors by one model, of originals (q, dim) and their copies, and of distractors (n, dim).

    `edited`: (q, edits, dim). `passed_on`: (q, ways, orientations, dim).
    """

    originals: Vectors
    edited: Vectors
    passed_on: Vectors
    distractors: Vectors


def describe_copies(task: tuple[int, Path]) -> dict[str, tuple[Vectors, Vectors, Vectors]] | None:
    """Return what `Described` has of one query, by each model; None if it cannot be decoded."""
    number, path = task
    try:
        image = open_upright(path.read_bytes())
    except UNREADABLE:
        return None
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    edited = edited_copies(image, np.random.default_rng([SEED, number])).values()
    passed = []
    for column, edit in enumerate(passed_on(_others).values()):
        copy = io.BytesIO()
        edited_now = edit(image, np.random.default_rng([SEED, number, column]))
        edited_now.save(copy, "JPEG", quality=SAVED_QUALITY)
        passed.append(copy.getvalue())
    return {
        name: (
            model.describe(buffer.getvalue())[0],
            np.stack([model.describe(file)[0] for file in edited]),
            np.stack([model.describe(file, model.codes) for file in passed]),
        )
        for name, model in _models.items()
    }


def describe_plain(path: Path) -> dict[str, Vectors] | None:
    """Return (dim,) by each model of a picture as it is; None if it cannot be decoded."""
    data = path.read_bytes()
    try:
        open_upright(data)
        return {name: model.describe(data)[0] for name, model in _models.items()}
    except UNREADABLE:
        return None


def choose(folder: Path, queries: int, most: int) -> tuple[list[Path], list[Path]]:
    """Draw queries, equally many of each set, and at most `most` distractors of each; seeded."""
    sets = sorted(each for each in folder.iterdir() if each.is_dir())
    chosen: list[Path] = []
    others: list[Path] = []
    for number, each in enumerate(sets):
        files = sorted(path for path in each.rglob("*") if path.is_file())
        order = np.random.default_rng([SEED, number]).permutation(len(files))
        share = queries // len(sets)
        chosen += [files[index] for index in order[:share]]
        others += [files[index] for index in order[share : share + most]]
    return chosen, others


@dataclass(frozen=True, slots=True)
class Pictures:
    """The files of queries and distractors, and of what is beside a query in a collage.

    `companions` are no distractors: a collage shows them too.
    """

    queries: list[Path]
    distractors: list[Path]
    companions: list[Path]

    def shown(self, same: SamePictures) -> list[str]:
        """Return what each picture shows: equal for files that are one picture."""
        files = (path.read_bytes() for path in (*self.queries, *self.distractors))
        digests = (hashlib.sha256(data).hexdigest() for data in files)
        return [str(same.groups.get(digest, digest)) for digest in digests]


def describe(
    arguments: list[str], pictures: Pictures, processes: int, vectors: Path
) -> tuple[dict[str, Described], Pictures]:
    """Describe all pictures by all models, those of an earlier run as they are in `vectors`."""
    listing = vectors / "pictures.json"
    names = [argument.partition("=")[0] for argument in arguments]
    missing = [
        argument
        for name, argument in zip(names, arguments, strict=True)
        if not (vectors / f"{name}.npz").exists()
    ]
    if missing:
        with multiprocessing.Pool(processes, start_worker, (missing, pictures.companions)) as pool:
            rows = list(pool.imap(describe_copies, enumerate(pictures.queries)))
            others = list(pool.imap(describe_plain, pictures.distractors, chunksize=16))
        read = {
            "queries": [str(p) for p, row in zip(pictures.queries, rows, strict=True) if row],
            "distractors": [
                str(p) for p, row in zip(pictures.distractors, others, strict=True) if row
            ],
        }
        if listing.exists() and json.loads(listing.read_text()) != read:
            sys.exit(f"{vectors} holds vectors of other pictures: give another folder")
        listing.write_text(json.dumps(read))
        for argument in missing:
            name = argument.partition("=")[0]
            copies = [row[name] for row in rows if row is not None]
            np.savez(
                vectors / f"{name}.npz",
                originals=np.stack([each[0] for each in copies]),
                edited=np.stack([each[1] for each in copies]),
                passed_on=np.stack([each[2] for each in copies]),
                distractors=np.stack([row[name] for row in others if row is not None]),
            )
    read = json.loads(listing.read_text())
    described = {}
    for name in names:
        with np.load(vectors / f"{name}.npz") as file:
            described[name] = Described(**dict(file))
    queries, distractors = (list(map(Path, read[key])) for key in ("queries", "distractors"))
    return described, Pictures(queries, distractors, pictures.companions)
