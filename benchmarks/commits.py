"""What one process can commit: rows of the catalog per second, and whole images per second.

    python benchmarks/commits.py --rows 100000

*The catalog alone*: rows of images (URL, facts, one more field, checksum, four indexes) in
transactions of 4,096 rows, as a build commits them, each durable before the next begins. Their ids
are hashes, so that they come in no order, or numbers. *A whole commit*: the same with vectors and
thumbnails, with segment files, their merges and sketches. Beside each: as many bytes as the
catalog's, written and synced in as many pieces, which is the limit of the disk.
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
class Stopwatch:
    """Wall and CPU seconds of the measured work, without the making of its input."""

    wall: float = 0.0
    cpu: float = 0.0

    def run(self, work: Callable[[], object]) -> None:
        """Do `work` and add its time."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def references(start: int, ordered: bool) -> Iterator[tuple]:
    """Yield the reference and facts of each image of one chunk."""
    from vecsim.records import ImageFacts, ImageRef

    for number in range(start, start + CHUNK):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        url = f"https://shop.example/pictures/{number}.jpg"
        ref = ImageRef(str(number) if ordered else digest[::-2], url, {"name": f"name {number}"})
        then, tag = "2026-01-01T12:00:00+00:00", f'"{digest[:16]}"'
        yield ref, ImageFacts(url, 200, 50_000, digest, 500, 400, "JPEG", then, tag)


def measure_catalog(rows: int, ordered: bool, folder: Path) -> None:
    """Measure transactions of the catalog alone."""
    from vecsim.catalog import Catalog, ImageRow
    from vecsim.contained import ContainedPath
    from vecsim.records import Fingerprint

    path = folder / f"catalog-{ordered}.db"
    catalog = Catalog.create(ContainedPath.of(path), Fingerprint("external", "", "", 64))
    stopwatch = Stopwatch()
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
                catalog.add_field_names(name for image in images for name in image.ref.fields)

        stopwatch.run(commit)
    catalog.close()
    print_rates(f"the catalog alone, {'numbers' if ordered else 'hashes'} as ids", rows, stopwatch)
    measure_disk(path.stat().st_size, -(-rows // CHUNK), rows, folder)


def measure_disk(size: int, pieces: int, rows: int, folder: Path) -> None:
    """Measure writing and syncing `size` bytes in as many pieces as there were transactions."""
    data = os.urandom(size // pieces)
    start = time.perf_counter()
    with (folder / "plain").open("wb") as file:
        for _ in range(pieces):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    click.echo(f"  {size / rows:,.0f} bytes per row; the disk takes {rows / seconds:,.0f} rows/s")


def measure_commits(rows: int, dim: int, thumbnail: int, folder: Path) -> None:
    """Measure whole commits, as a build makes them; `thumbnail`: bytes of each."""
    from vecsim.index.layout import create_index
    from vecsim.index.writer import Writer
    from vecsim.records import Embedded, Fingerprint

    path = folder / f"index{dim}-{thumbnail}"
    create_index(path, Fingerprint("external", "", "", dim))
    vectors = np.random.default_rng(1).normal(size=(CHUNK, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stopwatch = Stopwatch()
    with Writer(path) as writer:
        for start in range(0, rows, CHUNK):
            chunk = [
                Embedded(ref, facts, vector, bytes(thumbnail))
                for (ref, facts), vector in zip(references(start, False), vectors, strict=True)
            ]
            stopwatch.run(lambda chunk=chunk: writer.commit(chunk))
    work = f"a whole commit, {dim} dimensions, thumbnails of {thumbnail:,} bytes"
    print_rates(work, rows, stopwatch)


def print_rates(work: str, rows: int, stopwatch: Stopwatch) -> None:
    """Print rows per second of wall time and of CPU time."""
    done = -(-rows // CHUNK) * CHUNK
    click.echo(
        f"{work}: {done / stopwatch.wall:,.0f} rows per second "
        f"({done / stopwatch.cpu:,.0f} per second of CPU time)"
    )


@click.command()
@click.option("--rows", default=100_000, show_default=True)
@click.option("--dims", default="256,1024", show_default=True, help="Comma-separated; '' for none.")
@click.option("--folder", type=click.Path(path_type=Path), help="On the disk to be measured.")
def main(rows: int, dims: str, folder: Path | None) -> None:
    """Measure commits per second."""
    with tempfile.TemporaryDirectory(prefix="vecsim-commits-", dir=folder) as temporary:
        for ordered in (True, False):
            measure_catalog(rows, ordered, Path(temporary))
        for dim in filter(None, dims.split(",")):
            for thumbnail in (0, 3_000):
                measure_commits(rows, int(dim), thumbnail, Path(temporary))


if __name__ == "__main__":
    main()
