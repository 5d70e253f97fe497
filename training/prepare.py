"""Decode the training sets once: small pictures in one array a set, and the teacher's embeddings.

    python prepare.py --clones CLONES --teacher teacher.tflite --output DATA

Writes DATA/train/SET/{pictures.npy, aspect.npy, teacher.npy, names.txt}; a set that is there is
left alone. Held-aside sets are written as their original files to DATA/heldout/SET/.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import open_upright, squash
from teacher import SIZE as TEACHER_SIZE
from teacher import LiteModel

from sources import PictureSet, git_dir, list_pictures, load_sets, read_blobs

STORED_SIZE = 160
CHUNK = 64

Decoded = tuple[str, float, NDArray[np.uint8], NDArray[np.uint8]]


def decode_chunk(task: tuple[Path, list[str]]) -> list[Decoded]:
    """Name, width/height, the stored and the teacher's square of each decodable picture."""
    repository, paths = task
    done: list[Decoded] = []
    for path, data in zip(paths, read_blobs(repository, paths), strict=True):
        try:
            image = open_upright(data, draft=2 * TEACHER_SIZE)
            if min(image.size) < 48:
                continue
            aspect = image.width / image.height
            done.append((path, aspect, squash(image, STORED_SIZE), squash(image, TEACHER_SIZE)))
        except (OSError, ValueError, SyntaxError) as error:
            print(f"left out {path}: {error}", flush=True)
    return done


def chunks(paths: list[str]) -> Iterator[list[str]]:
    """`paths` in lists of CHUNK."""
    iterator = iter(paths)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk


def prepare_train(entry: PictureSet, clones: Path, teacher: LiteModel, target: Path) -> None:
    """Write one training set's arrays to the new folder `target`."""
    repository = git_dir(clones, entry)
    paths = list_pictures(repository, entry)
    partial = target.with_name(target.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    shape = (len(paths), STORED_SIZE, STORED_SIZE, 3)
    stored = np.lib.format.open_memmap(partial / "pictures.npy", "w+", np.uint8, shape)
    names: list[str] = []
    aspects: list[float] = []
    embeddings: list[NDArray[np.float16]] = []
    with multiprocessing.Pool(2) as pool:
        tasks = ((repository, chunk) for chunk in chunks(paths))
        for done in pool.imap(decode_chunk, tasks):
            if not done:
                continue
            for name, aspect, picture, _ in done:
                stored[len(names)] = picture
                names.append(name)
                aspects.append(aspect)
            pixels = np.stack([item[3] for item in done])
            embeddings.append(teacher.embed(pixels).astype(np.float16))
    stored.flush()
    np.save(partial / "teacher.npy", np.concatenate(embeddings))
    np.save(partial / "aspect.npy", np.array(aspects, np.float32))
    (partial / "names.txt").write_text("\n".join(names) + "\n")
    partial.rename(target)
    print(f"{entry.name}: {len(names)} of {len(paths)} pictures", flush=True)


def extract_held(entry: PictureSet, clones: Path, target: Path) -> None:
    """Write one held-aside set's original files to the new folder `target`."""
    repository = git_dir(clones, entry)
    paths = list_pictures(repository, entry)
    partial = target.with_name(target.name + ".partial")
    for path, data in zip(paths, read_blobs(repository, paths), strict=True):
        file = partial / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    partial.rename(target)
    print(f"{entry.name}: {len(paths)} files held aside", flush=True)


def main() -> None:
    """Prepare every set that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    teacher = LiteModel(arguments.teacher)
    for entry in load_sets("held"):
        target = arguments.output / "heldout" / entry.name
        if not target.exists():
            extract_held(entry, arguments.clones, target)
    for entry in load_sets("train"):
        target = arguments.output / "train" / entry.name
        if not target.exists():
            prepare_train(entry, arguments.clones, teacher, target)


if __name__ == "__main__":
    main()
