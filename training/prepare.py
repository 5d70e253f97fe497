"""Make the training data: all pictures of the "train" sets as small squares, in part files.

    python prepare.py --clones CLONES --parts PARTS
    python prepare.py --clones CLONES --held HELD

A part file (`PARTS/00.part`, ...) is a sequence of records (pictures.py) in random order over all
sets, at most --part-mib large, so that training can start on the first while others are made.
--held writes the original files of the sets held out, one folder a set, for the evaluation.
"""

import argparse
import itertools
import multiprocessing
import random
from collections.abc import Iterator
from pathlib import Path

from pictures import open_upright, pack
from PIL import Image

from sources import git_dir, list_pictures, load_sets, read_blobs

SIDE = 192  # pixels of a stored square
LEAST_SIDE = 64  # pictures with a shorter side are left out
CHUNK = 48

Task = tuple[Path, list[str], int]  # git directory, paths, WebP quality


def draw_chunks(clones: Path, seed: int, quality: int) -> list[Task]:
    """Return the pictures of all training sets in small lists, shuffled over all sets."""
    draw = random.Random(seed)
    tasks: list[Task] = []
    for entry in load_sets("train"):
        repository = git_dir(clones, entry)
        paths = list_pictures(repository, entry)
        draw.shuffle(paths)
        paths = paths[: entry.most]
        print(f"{entry.name}: {len(paths)} pictures", flush=True)
        starts = range(0, len(paths), CHUNK)
        tasks += [(repository, paths[at : at + CHUNK], quality) for at in starts]
    draw.shuffle(tasks)
    return tasks


def make_records(task: Task) -> list[bytes]:
    """Pack the pictures of one chunk; files that cannot be decoded are left out."""
    repository, paths, quality = task
    records: list[bytes] = []
    for data in read_blobs(repository, paths):
        try:
            image = open_upright(data, draft=2 * SIDE)
            if min(image.size) >= LEAST_SIDE:
                records.append(pack(image, SIDE, quality))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    return records


def write_parts(records: Iterator[list[bytes]], folder: Path, limit: int) -> None:
    """Write `records` to numbered part files of at most `limit` bytes; renamed when complete."""
    folder.mkdir(parents=True, exist_ok=True)
    number, size, count = 0, 0, 0
    unfinished = folder / "unfinished"
    file = unfinished.open("wb")
    for record in itertools.chain.from_iterable(records):
        if size + len(record) > limit:
            file.close()
            unfinished.rename(folder / f"{number:02}.part")
            print(f"part {number:02}: {count} pictures, {size} bytes", flush=True)
            number, size, count = number + 1, 0, 0
            file = unfinished.open("wb")
        file.write(record)
        size, count = size + len(record), count + 1
    file.close()
    unfinished.rename(folder / f"{number:02}.part")
    print(f"part {number:02}: {count} pictures, {size} bytes", flush=True)


def write_held(clones: Path, folder: Path) -> None:
    """Write the original files of the sets held out to one folder each; skips finished sets."""
    for entry in load_sets("held"):
        target = folder / entry.name
        if target.exists():
            continue
        repository = git_dir(clones, entry)
        paths = list_pictures(repository, entry, distinct=False)
        partial = folder / f"{entry.name}.partial"
        for path, data in zip(paths, read_blobs(repository, paths), strict=True):
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        partial.rename(target)
        print(f"{entry.name}: {len(paths)} files held out", flush=True)


def main() -> None:
    """Parse the command line; make part files, held-out folders, or both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--held", type=Path)
    parser.add_argument("--part-mib", type=float, default=58)
    parser.add_argument("--quality", type=int, default=68, help="of the WebP files, 0 to 100")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    if options.held:
        write_held(options.clones, options.held)
    if options.parts:
        tasks = draw_chunks(options.clones, 7, options.quality)
        limit = int(options.part_mib * 2**20)
        with multiprocessing.Pool(options.processes) as pool:
            write_parts(pool.imap(make_records, tasks), options.parts, limit)


if __name__ == "__main__":
    main()
