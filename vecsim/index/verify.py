"""Doubts an index: is every file what the catalog says, and does the search tell the truth?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecsim.catalog import Catalog, SegmentRow, ThumbnailStore
from vecsim.errors import IndexDamagedError, VecsimIndexError
from vecsim.index.layout import IndexFolder, parse_segment_name, read_fingerprint
from vecsim.index.locks import exclude_writers, wal_damage
from vecsim.index.sketch_store import SketchStore
from vecsim.index.snapshot import Snapshot
from vecsim.records import Bool, Float32, Float64, Int64
from vecsim.segments import Segment, open_segment, segment_sha256

_ROWS = 4_096
# How far the length of a stored vector may be from 1: a few roundings of float32.
_UNIT_SLACK = 1e-5


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an index. `what` says what it is; `file` where."""

    file: Path
    what: str


def verify(path: Path, *, samples: int = 8, seed: int | None = None) -> Iterator[Problem]:
    """Check all files of the index at `path`, then search it in another way; yield each problem.

    Files: the catalog's own integrity and the checksum of each of its rows, its log, each segment's
    size and SHA-256, its keys and the length of its vectors; each live image has one vector, and
    each vector its image; the thumbnails by the same means as the catalog. Search: `samples` random
    blocks of rows are matched with the whole index by the full float64 matrix, which shares no code
    with the search.
    """
    folder = IndexFolder(path)
    folder.require()
    found = False
    for problem in _file_problems(folder):
        found = True
        yield problem
    yield from _thumbnail_problems(folder)
    if not found:
        yield from _search_problems(path, samples, np.random.default_rng(seed))


def _thumbnail_problems(folder: IndexFolder) -> Iterator[Problem]:
    damage = wal_damage(folder, folder.thumbnails)
    if damage is not None:
        yield Problem(damage.file, damage.what)
    store = ThumbnailStore(folder.thumbnails)
    try:
        broken, changed = store.doubt()
        if broken:
            yield Problem(folder.thumbnails, broken)
        if changed:
            yield Problem(folder.thumbnails, f"{len(changed):,} of them are not what was written")
    finally:
        store.close()


def _file_problems(folder: IndexFolder) -> Iterator[Problem]:
    # Before SQLite opens the log: it would drop all that it cannot read.
    damage = wal_damage(folder, folder.catalog)
    if damage is not None:
        yield Problem(damage.file, damage.what)
        if damage.certain:
            return
    try:
        catalog = Catalog.open(folder.catalog)
    except VecsimIndexError as error:
        yield Problem(folder.catalog, str(error))
        return
    try:
        for text in catalog.problems():
            yield Problem(folder.catalog, text)
        try:
            if read_fingerprint(folder) != catalog.fingerprint:
                yield Problem(folder.fingerprint, "not the fingerprint that the catalog has")
        except FileNotFoundError:
            pass  # made before there was such a file
        rows, images, opened = _one_generation(catalog, folder)
        live, dead = images
        with exclude_writers(folder.writer_lock) as alone:
            later = later_segments(folder, catalog.counter("generation"), rows) if alone else []
        for file in later:
            yield Problem(file, "of a commit that the catalog has lost")
        keys = [np.empty(0, np.int64)]
        for row, segment in zip(rows, opened, strict=True):
            file = folder.segments / row.name
            if isinstance(segment, Problem):
                yield segment
                continue
            keys.append(segment.keys)
            for what in segment_problems(row, segment):
                yield Problem(file, what)
            for damaged in SketchStore(folder.sketches).problems(row.name):
                yield Problem(
                    damaged,
                    f"damaged, so that a search may miss pairs. Delete {damaged.parent}: it only "
                    f"makes searching faster, and `vecsim compact` makes it again",
                )
        stored = np.concatenate(keys)
        if len(np.unique(stored)) != len(stored):
            yield Problem(folder.segments, "a vector is stored twice")
        lost = np.setdiff1d(live, stored)
        if len(lost):
            yield Problem(folder.catalog, f"{len(lost):,} images have no vector")
        nameless = np.setdiff1d(stored, np.concatenate([live, dead]))
        if len(nameless):
            yield Problem(folder.catalog, f"{len(nameless):,} vectors have no image")
    except IndexDamagedError as error:
        yield Problem(folder.catalog, str(error))
    finally:
        catalog.close()


def _one_generation(
    catalog: Catalog, folder: IndexFolder
) -> tuple[list[SegmentRow], tuple[Int64, Int64], list[Segment | Problem]]:
    """The segments of one generation, the keys of its images (live, removed), and the files;
    again if a merge retired one of them just now.
    """
    while True:
        with catalog.transaction():
            generation = catalog.counter("generation")
            rows = catalog.segments.all()
            live = np.array(catalog.images.live_keys(), np.int64)
            dead = np.array(catalog.images.removed_keys(), np.int64)
        opened = _opened(folder, rows, catalog.fingerprint.dim)
        whole = not any(isinstance(segment, Problem) for segment in opened)
        if whole or catalog.counter("generation") == generation:
            return rows, (live, dead), opened


def _opened(folder: IndexFolder, rows: list[SegmentRow], dim: int) -> list[Segment | Problem]:
    """Each segment, held open so that a merge cannot take it away, or what is wrong with it."""
    opened: list[Segment | Problem] = []
    for row in rows:
        file = folder.segments / row.name
        try:
            opened.append(open_segment(file, row.byte_count, row.vector_count, dim))
        except FileNotFoundError:
            opened.append(Problem(file, "missing, though the catalog names it"))
        except IndexDamagedError as error:
            opened.append(Problem(file, error.message))
    return opened


def later_segments(folder: IndexFolder, generation: int, rows: list[SegmentRow]) -> list[Path]:
    """Files of generations that come after the catalog's next one.

    A run that was interrupted leaves files of the next generation. Later ones were committed, to a
    catalog that is not this one: it lost its log, or is an old copy.
    """
    found = []
    for path in folder.unlisted_segments({row.name for row in rows}):
        parsed = parse_segment_name(path.name)
        if parsed is not None and parsed[2] > generation + 1:
            found.append(path)
    return sorted(found)


def segment_problems(row: SegmentRow, segment: Segment) -> Iterator[str]:
    """What is wrong with a segment file that could be opened, for people."""
    if segment_sha256(segment) != row.sha256:
        yield "damaged: its SHA-256 is not the one the catalog recorded"
    keys = segment.keys
    if len(keys) and not (
        keys[0] == row.first_key and keys[-1] == row.last_key and (np.diff(keys) > 0).all()
    ):
        yield "its keys are not those that the catalog names"
    for start in range(0, len(segment), _ROWS):
        lengths = np.linalg.norm(segment.vectors[start : start + _ROWS].astype(np.float64), axis=1)
        if not (np.abs(lengths - 1) < _UNIT_SLACK).all():
            yield "holds vectors that are not of unit length"
            return


def _search_problems(path: Path, samples: int, random: np.random.Generator) -> Iterator[Problem]:
    with Snapshot(path) as snapshot:
        for _ in range(samples if snapshot.count else 0):
            start = int(random.integers(snapshot.count))
            _, queries = snapshot.slice(start, start + 16)
            keys, scores, unsure = _full_scores(snapshot, queries)
            # A threshold that some score equals, from among the highest: the hardest kind.
            highest = np.sort(scores.ravel())[-min(scores.size, 64) :]
            threshold = float(random.choice(highest))
            rows, columns = np.nonzero((scores >= threshold) & ~unsure)
            expected = {
                (row, int(keys[column]), float(scores[row, column]))
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            }
            rows, columns = np.nonzero(unsure)
            left_out = set(zip(rows.tolist(), keys[columns].tolist(), strict=True))
            pairs = snapshot.range_search(queries, threshold)
            found = {
                (row, key, score)
                for row, key, score in zip(
                    pairs.query.tolist(),
                    pairs.reference.tolist(),
                    pairs.score.tolist(),
                    strict=True,
                )
                if (row, key) not in left_out
            }
            if found != expected:
                what = (
                    f"the search differs from the full matrix at threshold {threshold}: "
                    f"{len(expected - found)} pairs missing, {len(found - expected)} too many"
                )
                yield Problem(path, what)


def _full_scores(snapshot: Snapshot, queries: Float32) -> tuple[Int64, Float64, Bool]:
    """Keys (n,), the matrix (q, n) of scores by the definition, and where it cannot be trusted.

    A cosine this close to the middle of two scores may round either way in plain float64.
    """
    left = queries.astype(np.float64)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    keys, millionths = [], []
    for start in range(0, snapshot.count, _ROWS):
        some, vectors = snapshot.slice(start, start + _ROWS)
        right = vectors.astype(np.float64)
        right /= np.linalg.norm(right, axis=1, keepdims=True)
        keys.append(some)
        millionths.append(1e6 * (left @ right.T))
    exact = np.concatenate(millionths, axis=1)
    unsure = np.abs(exact - np.floor(exact) - 0.5) < 1e-6
    return np.concatenate(keys), np.rint(exact) / 1e6, unsure
