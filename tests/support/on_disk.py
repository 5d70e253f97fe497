"""Reads index files without any code of vecsim, and makes indexes for tests."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np

from vecsim import Index

# In memory if possible, because a test does thousands of fsyncs.
_FAST = Path("/dev/shm")


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder, in memory if possible."""
    place = _FAST if _FAST.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="vecsim-test-", dir=place) as folder:
        yield Path(folder)


def rows(path: Path, sql: str) -> list[tuple]:
    """The rows that a query of the catalog returns."""
    with closing(sqlite3.connect(path / "catalog.db")) as connection:
        return connection.execute(sql).fetchall()


def live(path: Path) -> list[tuple[int, str]]:
    """(key, id) of all images, in the order in which they were added."""
    return rows(path, "SELECT key, id FROM images WHERE removed_generation IS NULL ORDER BY key")


def segment_files(path: Path) -> list[Path]:
    """The segment files that the catalog names, in the order of their keys."""
    names = rows(path, "SELECT name FROM segments ORDER BY first_key")
    return [path / "segments" / name for (name,) in names]


def read_segment(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys and vectors of a segment file, as plain FAISS reads them."""
    index = faiss.read_index(str(file))
    assert isinstance(index, faiss.IndexIDMap2)
    inner = faiss.downcast_index(index.index)
    assert isinstance(inner, faiss.IndexFlatIP)
    return faiss.vector_to_array(index.id_map), inner.reconstruct_n(0, inner.ntotal)


def vectors_by_key(path: Path) -> dict[int, np.ndarray]:
    """All stored vectors, including those of removed images that are still in a segment."""
    found: dict[int, np.ndarray] = {}
    for file in segment_files(path):
        keys, vectors = read_segment(file)
        assert not found.keys() & set(keys.tolist()), "a key stands in two files"
        found.update(zip(keys.tolist(), vectors, strict=True))
    return found


def stored(path: Path, dim: int) -> tuple[list[str], np.ndarray]:
    """Ids and vectors (n, dim) of all images, in the order in which they were added."""
    by_key = vectors_by_key(path)
    images = live(path)
    vectors = np.array([by_key[key] for key, _ in images], np.float32).reshape(-1, dim)
    return [id_ for _, id_ in images], vectors


def content(path: Path) -> list[tuple[str, str, str, bytes]]:
    """(id, url, fields, vector) of all images, in order."""
    by_key = vectors_by_key(path)
    images = rows(
        path,
        "SELECT key, id, url, fields FROM images WHERE removed_generation IS NULL ORDER BY key",
    )
    return [(id_, url, fields, by_key[key].tobytes()) for key, id_, url, fields in images]


def turned(path: Path) -> dict[tuple[str, str], bytes]:
    """The vectors of images in other orientations, by id and name of the orientation."""
    ids = dict(live(path))
    found = {}
    for segment in segment_files(path):
        for file in sorted((path / "orientations" / segment.name).glob("*.faiss")):
            keys, vectors = read_segment(file)
            assert set(keys.tolist()) <= set(read_segment(segment)[0].tolist())
            for key, vector in zip(keys.tolist(), vectors, strict=True):
                if key in ids:
                    found[ids[key], file.stem] = vector.tobytes()
    return found


def state(path: Path) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """URL, fields and vector of each image, by id."""
    return {id_: (url, json.loads(fields), vector) for id_, url, fields, vector in content(path)}


def added_at(path: Path) -> dict[str, str]:
    """When each image was added, by id."""
    return dict(rows(path, "SELECT id, added_at FROM images WHERE removed_generation IS NULL"))


def file_names(path: Path) -> list[str]:
    """The last part of the id of each image, sorted."""
    return sorted(Path(id_).name for _, id_ in live(path))


def make_in_chunks(
    path: Path, vectors: np.ndarray, ids: Sequence[str], cuts: Sequence[int]
) -> Index:
    """Make an index of `vectors`, committed in several chunks that end at `cuts`."""
    places = [0, *sorted({min(cut, len(ids)) for cut in cuts}), len(ids)]
    index = Index.from_vectors(path, vectors[:0], [])
    for start, stop in pairwise(places):
        if start < stop:
            index.add_vectors(vectors[start:stop], ids[start:stop])
    return index
