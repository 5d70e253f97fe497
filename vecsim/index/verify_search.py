"""Compares searches of an index with full float64 matrices, which share no code with the search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vecsim.index.join import neighbours
from vecsim.index.searchers import LocalSearcher
from vecsim.index.snapshot import Snapshot
from vecsim.records import Bool, Float32, Float64, Int64
from vecsim.results import Pairs

# Rows of vectors that are read at a time.
_ROWS = 4_096
_QUERIES = 16


def search_problems(
    path: Path,
    samples: int,
    random: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[str]:
    """Say how matches of `samples` random blocks of rows differ from what they should be.

    Where the index stores orientations, also how those of a match of the set with itself in all of
    them do. `progress` is called before each block, as for vectors that were all checked. Raises
    what `Snapshot` does.
    """
    with Snapshot(path) as snapshot:
        codes = (0, *snapshot.turned_counts())
        for _ in range(samples if snapshot.count else 0):
            progress(snapshot.count, snapshot.count)
            start = int(random.integers(snapshot.count))
            keys, queries = snapshot.slice(start, start + _QUERIES)
            scores, uncertain = _full_scores(snapshot, queries, 0)
            threshold = _threshold(scores, random)
            pairs = snapshot.range_search(queries, threshold)
            pairs = Pairs(keys[pairs.query], pairs.reference, pairs.score)
            yield from _difference(snapshot, keys, (scores, uncertain), threshold, pairs)
            if len(codes) > 1:
                full = _full_oriented_scores(snapshot, keys, codes)
                threshold = _threshold(full[0], random)
                searcher = LocalSearcher(snapshot, threshold)
                pairs = neighbours(snapshot, searcher, keys, codes)
                for what in _difference(snapshot, keys, full, threshold, pairs):
                    yield f"in several orientations, {what}"


def _threshold(scores: Float64, random: np.random.Generator) -> float:
    """Return a threshold that equals one of the highest scores: the hardest case."""
    return float(random.choice(np.sort(scores.ravel())[-min(scores.size, 64) :]))


def _difference(
    snapshot: Snapshot, keys: Int64, full: tuple[Float64, Bool], threshold: float, pairs: Pairs
) -> Iterator[str]:
    """Say how `pairs`, by key, differ from the full matrix (q, n) of the queries `keys`."""
    scores, uncertain = full
    all_keys = snapshot.keys()
    rows, columns = np.nonzero((scores >= threshold) & ~uncertain)
    expected = set(
        zip(
            keys[rows].tolist(),
            all_keys[columns].tolist(),
            scores[rows, columns].tolist(),
            strict=True,
        )
    )
    rows, columns = np.nonzero(uncertain)
    ignored = set(zip(keys[rows].tolist(), all_keys[columns].tolist(), strict=True))
    values = (pairs.query.tolist(), pairs.reference.tolist(), pairs.score.tolist())
    found = {pair for pair in zip(*values, strict=True) if pair[:2] not in ignored}
    if found != expected:
        yield (
            f"the search differs from the full matrix at threshold {threshold}: "
            f"{len(expected - found)} pairs missing, {len(found - expected)} too many"
        )


def _full_oriented_scores(
    snapshot: Snapshot, keys: Int64, codes: tuple[int, ...]
) -> tuple[Float64, Bool]:
    """Return the largest scores (q, n) of either image of a pair turned, and where one of them may
    be rounded to the wrong side.
    """
    as_they_are = snapshot.vectors_of(keys)
    best, uncertain = _full_scores(snapshot, as_they_are, 0)
    for code in codes[1:]:
        rows, turned = snapshot.turned_of(keys, code)
        parts = [(rows, _full_scores(snapshot, turned, 0))] if len(rows) else []
        parts.append((np.arange(len(keys)), _full_scores(snapshot, as_they_are, code)))
        for places, (scores, doubtful) in parts:
            best[places] = np.maximum(best[places], scores)
            uncertain[places] |= doubtful
    return best, uncertain


def _full_scores(snapshot: Snapshot, queries: Float32, code: int) -> tuple[Float64, Bool]:
    """Return the matrix (q, n) of scores with all images in an orientation, by its definition.

    Also where plain float64 may round a score to the wrong side: a cosine close to the middle of
    two scores. Images that are not stored in the orientation score -2.
    """
    left = _unit(queries)
    parts = []
    for start in range(0, snapshot.count, _ROWS):
        keys, vectors = snapshot.slice(start, start + _ROWS)
        exact = np.full((len(queries), len(keys)), -2e6)
        columns = np.arange(len(keys))
        if code:
            columns, vectors = snapshot.turned_of(keys, code)
        if len(columns):
            exact[:, columns] = 1e6 * (left @ _unit(vectors).T)
        parts.append(exact)
    exact = np.concatenate(parts, axis=1)
    uncertain = np.abs(exact - np.floor(exact) - 0.5) < 1e-6
    return np.rint(exact) / 1e6, uncertain


def _unit(vectors: Float32) -> Float64:
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide
