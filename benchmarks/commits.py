"""What one process can commit: rows of the catalog a second, and whole images a second.

    python benchmarks/commits.py --rows 100000

*The catalog alone*: rows of images (URL, facts, one carried field, checksum, four indexes) in
transactions of 4,096 rows, as a build commits them, each durable before the next begins; their
ids are hashes, so that they come in no order, or numbers. *A whole commit*: the same with vectors
and thumbnails: segment files, their merges and sketches are included. Beside each: the same number
of bytes as the catalog's, written and synced in as many pieces, which is what the disk allows.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

CHUNK = 4_096


@dataclass
class Clock:
    """Wall and processor seconds of what is measured, without the making of its input."""

    wall: float = 0.0
    cpu: float = 0.0

    def run(self, work: Callable[[], object]) -> None:
        """Count the time that `work` takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def references(start: int, ordered: bool) -> Iterator[tuple]:
    """The reference and facts of each image of one chunk."""
    from vecsim.records import ImageFacts, ImageRef

    for number in range(start, start + CHUNK):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        url = f"https://shop.example/pictures/{number}.jpg"
        ref = ImageRef(str(number) if ordered else digest[::-2], url, {"name": f"name {number}"})
        then, tag = "2026-01-01T12:00:00+00:00", f'"{digest[:16]}"'
        yield ref, ImageFacts(url, 200, 50_000, digest, 500, 400, "JPEG", then, tag)


def catalog(rows: int, ordered: bool, folder: Path) -> None:
    """Transactions of the catalog alone."""
    from vecsim.catalog import Catalog, ImageRow
    from vecsim.records import Fingerprint

    path = folder / f"catalog-{ordered}.db"
    catalog = Catalog.create(path, Fingerprint("external", "", "", 64))
    clock = Clock()
    for start in range(0, rows, CHUNK):
        moment = f"2026-01-01T12:00:00.{start // CHUNK:06}+00:00"
        images = [
            ImageRow(start + number, ref, facts, moment)
            for number, (ref, facts) in enumerate(references(start, ordered), 1)
        ]

        def commit(images: list[ImageRow] = images) -> None:
            with catalog.transaction():
                generation = catalog.advance("generation")
                catalog.advance("next_key", len(images))
                catalog.images.insert(images, generation)
                catalog.failures.delete(image.ref.id for image in images)
                catalog.remember_fields(name for image in images for name in image.ref.fields)

        clock.run(commit)
    catalog.close()
    what = f"the catalog alone, {'numbers' if ordered else 'hashes'} as ids"
    tell(what, rows, clock)
    disk(path.stat().st_size, -(-rows // CHUNK), rows, folder)


def disk(size: int, pieces: int, rows: int, folder: Path) -> None:
    """As many bytes, written and synced in as many pieces."""
    data = os.urandom(size // pieces)
    start = time.perf_counter()
    with (folder / "plain").open("wb") as file:
        for _ in range(pieces):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    took = time.perf_counter() - start
    click.echo(f"  {size / rows:,.0f} bytes a row; the disk takes {rows / took:,.0f} a second")


def whole(rows: int, dim: int, thumbnail: int, folder: Path) -> None:
    """Commits as a build makes them."""
    from vecsim.index.layout import create_index
    from vecsim.index.writer import Writer
    from vecsim.records import Embedded, Fingerprint

    path = folder / f"index{dim}-{thumbnail}"
    create_index(path, Fingerprint("external", "", "", dim))
    vectors = np.random.default_rng(1).normal(size=(CHUNK, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clock = Clock()
    with Writer(path) as writer:
        for start in range(0, rows, CHUNK):
            chunk = [
                Embedded(ref, facts, vector, bytes(thumbnail))
                for (ref, facts), vector in zip(references(start, False), vectors, strict=True)
            ]
            clock.run(lambda chunk=chunk: writer.commit(chunk))
    tell(f"a whole commit, {dim} dimensions, thumbnails of {thumbnail:,} bytes", rows, clock)


def tell(what: str, rows: int, clock: Clock) -> None:
    """Print both rates."""
    done = -(-rows // CHUNK) * CHUNK
    click.echo(
        f"{what}: {done / clock.wall:,.0f} rows a second "
        f"({done / clock.cpu:,.0f} a second of processor time)"
    )


@click.command()
@click.option("--rows", default=100_000, show_default=True)
@click.option("--dims", default="256,1024", show_default=True, help="Comma-separated; '' for none.")
@click.option("--folder", type=click.Path(path_type=Path), help="On the disk to be measured.")
def main(rows: int, dims: str, folder: Path | None) -> None:
    """Print rates."""
    with tempfile.TemporaryDirectory(prefix="vecsim-commits-", dir=folder) as place:
        for ordered in (True, False):
            catalog(rows, ordered, Path(place))
        for dim in filter(None, dims.split(",")):
            for thumbnail in (0, 3_000):
                whole(rows, int(dim), thumbnail, Path(place))


if __name__ == "__main__":
    main()
