"""Matching two indexes, or one with itself; the matrix of all scores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from vecsim.engines.engine import EngineOptions, open_engine
from vecsim.errors import FingerprintError, StorageError, UsageError
from vecsim.files import new_output, storage_errors
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.index.join import join
from vecsim.index.match_blocks import MatchBlock
from vecsim.index.orientation_scores import best_scores
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import PairFilter
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.matches import Matches
from vecsim.operations.orienting import check_stored
from vecsim.operations.placeholders import hide_placeholders
from vecsim.operations.requests import SearchRequest
from vecsim.operations.selection import select_pairs
from vecsim.orientations import AS_IT_IS, codes_of
from vecsim.records import Int64

_MATRIX_ROWS = 1_024


@contextmanager
def open_pair(paths: Sequence[Path]) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Open the indexes to be matched: one path gives the same snapshot twice, two give two."""
    with ExitStack() as opened:
        snapshots = [opened.enter_context(Snapshot(path)) for path in paths]
        yield snapshots[0], snapshots[-1]


def match(
    queries: Snapshot,
    references: Snapshot,
    request: SearchRequest,
    *,
    engine: EngineOptions | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Matches:
    """Find every pair of an image of `queries` and one of `references` at or above the threshold.

    The threshold is by default the references' own, or their model's. The same snapshot twice
    matches an index with itself: each pair once, no image with itself. `request.skip_placeholders`
    hides images in the snapshots themselves. Pairs of missing images and pairs that are one file
    are left out unless `request.show_all`. `engine`: where the search runs, which changes nothing
    in the result. `progress` is called often with the number of queries that are done.
    In the orientations of `request.orientations` the queries are compared, as they are stored;
    where a set is matched with itself, a pair's score is the larger of both directions.
    Raises `FingerprintError` when the two are of different models, `UsageError`.
    """
    check_best_only(request, itself=queries is references)
    check_same_model(queries, references)
    codes = codes_of(request.orientations or "none")
    lacking = check_stored(queries, request.orientations or "none")
    threshold = threshold_of(references, request.threshold, request.orientations)
    recent = _keys_of_last_sync(queries, references) if request.new_only else None
    left_out = hide_placeholders(request.skip_placeholders, queries, references)
    since = None if request.mutual or request.one_to_one else request.since

    pair_filter = PairFilter(request, Decisions.of(queries, references))

    def blocks() -> Iterator[MatchBlock]:
        pair_filter.hidden.clear()
        with open_engine(engine).searching(references, threshold) as searcher:
            found = join(
                queries,
                references,
                searcher,
                codes=codes,
                since=since,
                recent=recent,
                watch=progress,
            )
            shown = map(pair_filter.visible, found)
            yield from select_pairs(shown, request, queries, references)

    names = (queries.field_names, references.field_names)
    found = Matches(blocks, *names, left_out, pair_filter.hidden, oriented=len(codes) > 1)
    found.not_turned = lacking
    return found


def check_best_only(request: SearchRequest, *, itself: bool) -> None:
    """Raise `UsageError` where the best match of each query is asked for and there is no query."""
    if request.best_only and itself:
        raise UsageError(
            "The best match of each query was asked for, but a set alone is matched with itself, "
            "each pair once: there is no query.",
            hint=Hint(Action.GIVE_SECOND_SET),
        )


def check_same_model(queries: Snapshot, references: Snapshot) -> None:
    """Raise `FingerprintError`, naming both, unless the vectors of two indexes may be compared."""
    if queries.fingerprint != references.fingerprint:
        raise FingerprintError(
            f"Vectors of two models cannot be compared: {queries.folder.path} was made with "
            f"{queries.fingerprint}, {references.folder.path} with {references.fingerprint}.",
            hint=Hint(Action.REBUILD_WITH_MODEL),
        )


def write_matrix(
    queries: Snapshot, references: Snapshot, path: Path, codes: Sequence[int] = (AS_IT_IS,)
) -> tuple[int, int]:
    """Write the full matrix of scores to a NumPy file: float64 (queries, references).

    Rows and columns are in the order of the images. Returns its shape. The file is complete or not
    there at all. `codes`: the orientations that are compared, as in `match`. Raises `StorageError`.
    """
    check_same_model(queries, references)
    shape = (queries.count, references.count)
    with storage_errors(path), new_output(path) as temporary:
        _check_space(path, shape)
        if 0 in shape:
            with temporary.open("wb") as file:
                np.save(file, np.empty(shape))
        else:
            out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float64, shape=shape)
            for row in range(0, shape[0], _MATRIX_ROWS):
                some, _ = queries.slice(row, row + _MATRIX_ROWS)
                for column in range(0, shape[1], _MATRIX_ROWS):
                    others, _ = references.slice(column, column + _MATRIX_ROWS)
                    scores = best_scores((queries, some), (references, others), codes)[0]
                    out[row : row + len(some), column : column + len(others)] = scores
            out.flush()
            del out  # Windows renames no file that is mapped
    return shape


def _check_space(path: Path, shape: tuple[int, int]) -> None:
    """Raise `StorageError` unless the disk has space for a matrix of `shape`."""
    needed = shape[0] * shape[1] * 8
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(
            f"{path}: {shape[0]:,} x {shape[1]:,} scores take {needed / 1e9:,.1f} GB, and the "
            f"disk has {free / 1e9:,.1f} free. The pairs themselves need no matrix."
        )


def _keys_of_last_sync(queries: Snapshot, references: Snapshot) -> tuple[Int64, Int64]:
    """Return the keys, ascending, of images that the last sync of each index added or changed.

    Raises `UsageError` if neither index was ever synced.
    """
    found = [_new_keys(queries), _new_keys(references)]
    if found[0] is None and found[1] is None:
        raise UsageError(
            f"{references.folder.path}: no sync of it was completed yet, so that it is not known "
            f"what is new.",
            hint=Hint(Action.SYNC_FIRST, path=references.folder.path),
        )
    none = np.empty(0, np.int64)
    first, second = (none if keys is None else keys for keys in found)
    return first, second


def _new_keys(snapshot: Snapshot) -> Int64 | None:
    sources = [row for row in snapshot.catalog.sources.all() if row.synced_at]
    if not sources:
        return None
    last = max(sources, key=lambda row: row.synced_at)
    images = snapshot.catalog.images
    return np.array(images.keys_added_between(last.synced_from, last.synced_at), np.int64)
