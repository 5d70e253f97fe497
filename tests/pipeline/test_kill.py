"""`kill -9` at any instant of a build: nothing committed is lost, and the build can go on."""

from __future__ import annotations

import io
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import run, start
from support.on_disk import content, live, rows, vectors_by_key
from support.shop import Shop, id_of, phash
from vecsim import Index
from vecsim.decode.transform import make_thumbnail

COUNT = 160
MISSING = [7, 50, 51, 120]  # these are answered with 404
CHUNKS = {"VECSIM_CHUNK_IMAGES": "1"}  # 160 commits, 22 of which also merge segments


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop(COUNT, delay=0.02)
    with shop.open():
        yield shop


@pytest.fixture(scope="module")
def source(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    numbers = [number + 1000 if number in MISSING else number for number in range(COUNT)]
    return shop.list_to(tmp_path_factory.mktemp("kill") / "shop.csv", numbers)


@pytest.fixture(scope="module")
def uninterrupted(source: Path) -> list[tuple]:
    path = source.with_name("uninterrupted")
    run("build-index", path, source, status=3, **CHUNKS)
    return content(path)


def committed(path: Path) -> set[str]:
    """Return the ids that are committed, while a writer may be at work."""
    try:
        return {id_ for _, id_ in live(path)}
    except sqlite3.OperationalError:  # the catalog does not exist yet
        return set()


def kill_during_build(path: Path, source: Path, target: int, pause: float) -> set[str]:
    """Start the build and kill it at some instant; return the ids committed by then.

    The instant is `pause` seconds after the commit of image `target`, or of the first one of this
    run: within the build on a fast machine as on a slow one.
    """
    target = max(target, len(committed(path)) + 1)
    with start("build-index", path, source, **CHUNKS) as process:
        while len(committed(path)) < target and process.poll() is None:
            time.sleep(0.002)
        time.sleep(pause)
        seen = committed(path)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "the build ended before it was killed"
    return seen


def check(path: Path, seen: set[str], shop: Shop) -> None:
    """Check that the index is sound, lost nothing, and has each vector and thumbnail at its id."""
    with Index.open(path) as index:
        assert index.verify() == []
        assert len(index) == len(live(path))
    images = rows(path, "SELECT key, id, url FROM images WHERE removed_generation IS NULL")
    assert seen <= {id_ for _, id_, _ in images}
    vectors = vectors_by_key(path)
    with closing(sqlite3.connect(path / "thumbnails.db")) as connection:
        thumbnails = dict(connection.execute("SELECT key, webp FROM thumbnails"))
    for key, id_, url in images:
        number = int(url.rpartition("/")[2].removesuffix(".png"))
        assert id_ == id_of(number)
        np.testing.assert_array_equal(vectors[key], phash(shop.pictures[number]))
        assert thumbnails[key] == make_thumbnail(Image.open(io.BytesIO(shop.pictures[number])))


@pytest.mark.parametrize(
    "seed",
    [
        0,
        *(pytest.param(n, marks=pytest.mark.ci) for n in range(1, 4)),
        *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 50)),
    ],
)
def test_a_killed_build_can_be_continued(
    seed: int, shop: Shop, source: Path, uninterrupted: list[tuple], tmp_path: Path
) -> None:
    path = tmp_path / "killed"
    instants = random.Random(seed)
    for target in sorted(instants.sample(range(1, COUNT - 20), instants.choice([1, 1, 2]))):
        seen = kill_during_build(path, source, target, instants.uniform(0, 0.03))
        check(path, seen, shop)
    # Status 3 if images failed in this run; all may have been recorded before the last kill.
    run("build-index", path, source, status=(0, 3), **CHUNKS)
    assert content(path) == uninterrupted
    assert not [file for file in path.glob("segments/*") if file.suffix != ".faiss"]
    run("verify", path)
