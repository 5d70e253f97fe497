"""A reader in a separate process: opens snapshots until told to stop, and checks them.

    python reader_process.py INDEX GROUP

The writer adds and removes whole groups of GROUP images (ids `g/0`, `g/1`, …) whose vectors are
known, so whatever a reader sees that is no whole group, or not that vector, is wrong. Prints the
generation of each snapshot it has read, until standard input ends.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

import numpy as np

from vecsim.index import Snapshot
from vecsim.index.join import join
from vecsim.index.searchers import LocalSearcher
from vecsim.operations.querying import query_ids
from vecsim.operations.requests import SearchRequest


def vectors_of_group(group: int, size: int) -> np.ndarray:
    """The unit vectors (size, 16) of a group, the same in every process."""
    rows = np.random.default_rng(group).standard_normal((size, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def check(snapshot: Snapshot, size: int) -> None:
    """Check that all reads of a snapshot belong to one generation."""
    rows = list(snapshot.all_rows())
    ids = [row.ref.id for row in rows]
    assert len(ids) == len(set(ids)) == snapshot.count, "count and rows differ"
    groups = sorted({int(id_.partition("/")[0]) for id_ in ids})
    assert sorted(ids) == sorted(f"{g}/{n}" for g in groups for n in range(size)), "half a group"
    keys, vectors = snapshot.slice(0, snapshot.count)
    assert keys.tolist() == [row.key for row in rows], "keys and rows differ"
    for id_, vector in zip(ids, vectors, strict=True):
        group, _, number = id_.partition("/")
        expected = vectors_of_group(int(group), size)[int(number)]
        assert np.allclose(vector, expected, atol=1e-6), f"{id_} has another's vector"
    blocks = join(snapshot, snapshot, LocalSearcher(snapshot, 1.0))
    itself = [pair for block in blocks for pair in block.pairs.score]
    assert itself == [], "two images of one vector"
    for id_ in ids[:: max(1, len(ids) // 3)]:
        assert len(query_ids(snapshot, [id_], SearchRequest(-1.0)).to_numpy()) == snapshot.count - 1
    assert snapshot.rows_of_ids(ids).keys() == set(ids), "an id is not found any more"


def main(path: Path, size: int) -> None:
    stop = False
    while not stop:
        with Snapshot(path) as snapshot:
            check(snapshot, size)
            stop = bool(select.select([sys.stdin], [], [], 0.02)[0])
            check(snapshot, size)  # must be unchanged although the writer has committed
            print(snapshot.generation, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
