"""Matching two indexes, or one with itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vecsim.engines.choice import open_engine
from vecsim.engines.options import EngineOptions
from vecsim.errors import FingerprintError, StorageError, UsageError
from vecsim.files import new_output, storage_errors
from vecsim.index import Snapshot
from vecsim.index.join import MatchBlock, first_per_query, join
from vecsim.operations.matches import Matches
from vecsim.operations.thresholds import threshold_of
from vecsim.search.score import score_matrix

NO_QUERY = (
    "--best-only keeps each query's best match, but a set alone is matched with itself, each pair "
    "once: there is no query. Give a second set, or the same one again."
)

_MATRIX_ROWS = 1_024


def match(
    queries: Snapshot,
    references: Snapshot,
    *,
    threshold: float | None = None,
    best_only: bool = False,
    since: str | None = None,
    engine: EngineOptions | None = None,
    watch: Callable[[int], None] = lambda done: None,
) -> Matches:
    """Every pair of an image of `queries` and one of `references` with score >= `threshold`.

    `threshold`: by default the references' own, or their model's. The same snapshot twice matches
    an index with itself: each pair once, nothing with itself. `best_only`: each query's best match
    alone. `since`: a moment (UTC, ISO 8601); only pairs with an image added then or later.
    `engine`: where it is computed, which changes nothing in the result. `watch` is called often
    with the number of queries that are done.
    Raises `FingerprintError` when the two are of different models.
    """
    check_same_model(queries, references)
    limit = threshold_of(references, threshold)

    def blocks() -> Iterator[MatchBlock]:
        with open_engine(engine).searching(references, limit) as searcher:
            for block in join(queries, references, searcher, since=since, watch=watch):
                if best_only:
                    block = MatchBlock(
                        first_per_query(block.pairs), block.queries, block.references
                    )
                yield block

    if best_only and queries is references:
        raise UsageError(NO_QUERY)
    return Matches(blocks, queries.field_names, references.field_names)


def check_same_model(queries: Snapshot, references: Snapshot) -> None:
    """Raise `FingerprintError`, naming both, unless the vectors of two indexes may meet."""
    if queries.fingerprint != references.fingerprint:
        raise FingerprintError(
            f"Vectors of two models cannot be compared: {queries.folder.path} was made with "
            f"{queries.fingerprint}, {references.folder.path} with {references.fingerprint}. "
            f"Build one of them again with the other's model (--model)."
        )


def write_matrix(queries: Snapshot, references: Snapshot, path: Path) -> tuple[int, int]:
    """Write the full matrix of scores to a NumPy file: float64 (queries, references).

    Rows and columns are in the order of the images. Returns its shape. The file is complete or not
    there at all. Raises `StorageError`.
    """
    check_same_model(queries, references)
    shape = (queries.count, references.count)
    needed = shape[0] * shape[1] * 8
    with storage_errors(path), new_output(path) as temporary:
        free = shutil.disk_usage(path.parent).free
        if needed > free:
            raise StorageError(
                f"{path}: {shape[0]:,} x {shape[1]:,} scores take {needed / 1e9:,.1f} GB, and the "
                f"disk has {free / 1e9:,.1f}. The pairs themselves need no matrix."
            )
        if 0 in shape:
            with temporary.open("wb") as file:
                np.save(file, np.empty(shape))
        else:
            out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float64, shape=shape)
            for row in range(0, shape[0], _MATRIX_ROWS):
                _, some = queries.slice(row, row + _MATRIX_ROWS)
                for column in range(0, shape[1], _MATRIX_ROWS):
                    _, others = references.slice(column, column + _MATRIX_ROWS)
                    scores = score_matrix(some, others)
                    out[row : row + len(some), column : column + len(others)] = scores
            out.flush()
    return shape
