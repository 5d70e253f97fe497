"""Checks the files of an index against what the catalog recorded, and the search independently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecsim.catalog import Catalog, SegmentRow, ThumbnailStore
from vecsim.contained import ContainedPath
from vecsim.contained.names import parse_segment_name, sketch_names
from vecsim.errors import IndexDamagedError, IndexFormatError, VecsimIndexError
from vecsim.index.layout import IndexFolder, read_fingerprint
from vecsim.index.locks import exclude_writers, wal_damage
from vecsim.index.orientation_store import OrientationStore
from vecsim.index.sketch_store import SketchStore
from vecsim.index.verify_search import search_problems
from vecsim.records import Int64
from vecsim.segments import Segment, open_segment, segment_sha256

# Rows of vectors that are read at a time.
_ROWS = 4_096
# How much the length of a stored vector may differ from 1: a few roundings of float32.
_UNIT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an index: in which file, and what."""

    file: Path
    what: str


def no_progress(done: int, total: int) -> None:
    """Take the number of images done and of all, and do nothing."""


def verify(
    path: Path,
    *,
    samples: int = 8,
    seed: int | None = None,
    progress: Callable[[int, int], None] = no_progress,
) -> Iterator[Problem]:
    """Check all files of the index at `path`, then the search; yield each problem.

    Files: SQLite's integrity check of the catalog, the checksum of each of its rows, and its log;
    of each segment the size, the SHA-256, the keys and the length of the vectors; the sketches; the
    thumbnails like the catalog. There are no links. Each live image has one vector, and each vector
    has an image.
    Search, if the files are sound: `samples` random blocks of rows are matched with the whole index
    by the full float64 matrix, which shares no code with the search.
    `progress` is called often with how many vectors were checked, and how many there are.

    Raises `IndexMissingError`.
    """
    folder = IndexFolder(path)
    folder.require_exists()
    found = False
    for problem, _ in foreign_problems(folder):
        found = True
        yield problem
    if found:
        return  # the rest cannot be opened before these are gone
    for problem in _file_problems(folder, progress):
        found = True
        yield problem
    yield from _thumbnail_problems(folder)
    if not found:
        for what in search_problems(path, samples, np.random.default_rng(seed), progress):
            yield Problem(path, what)


def foreign_problems(folder: IndexFolder) -> Iterator[tuple[Problem, ContainedPath]]:
    """Yield what an index never has: links, pipes and such, and folders in the place of files."""
    foreign = dict(folder.links())
    foreign.update((path, found) for path, found, _ in folder.misplaced_parts())
    for path, found in foreign.items():
        what = f"{found} in an index, which vecsim does not open"
        yield Problem(path.path, what), path


def _thumbnail_problems(folder: IndexFolder) -> Iterator[Problem]:
    damage = wal_damage(folder, folder.thumbnails)
    if damage is not None:
        yield Problem(damage.file, damage.what)
    with closing(ThumbnailStore(folder.thumbnails)) as store:
        try:
            file_damage, damaged_keys = store.check_integrity()
        except IndexFormatError as error:
            file_damage, damaged_keys = error.message, []
    if file_damage:
        yield Problem(folder.thumbnails.path, file_damage)
    if damaged_keys:
        yield Problem(folder.thumbnails.path, f"{len(damaged_keys):,} of them are damaged")


def _file_problems(folder: IndexFolder, progress: Callable[[int, int], None]) -> Iterator[Problem]:
    # Checked before SQLite opens the log: it would drop all that it cannot read.
    damage = wal_damage(folder, folder.catalog)
    if damage is not None:
        yield Problem(damage.file, damage.what)
        if damage.certain:
            return
    try:
        catalog = Catalog.open(folder.catalog)
    except VecsimIndexError as error:
        yield Problem(folder.catalog.path, error.message)
        return
    with closing(catalog):
        try:
            for text in catalog.check_integrity():
                yield Problem(folder.catalog.path, text)
            yield from _fingerprint_problems(folder, catalog)
            yield from _segment_problems(folder, catalog, progress)
        except IndexDamagedError as error:
            yield Problem(folder.catalog.path, error.message)


def _fingerprint_problems(folder: IndexFolder, catalog: Catalog) -> Iterator[Problem]:
    try:
        if read_fingerprint(folder) != catalog.fingerprint:
            yield Problem(folder.fingerprint.path, "differs from the fingerprint in the catalog")
    except FileNotFoundError:
        pass  # the index was made before there was such a file


def _segment_problems(
    folder: IndexFolder, catalog: Catalog, progress: Callable[[int, int], None]
) -> Iterator[Problem]:
    rows, (live, removed), opened = _one_generation(catalog, folder)
    with exclude_writers(folder.writer_lock) as excluded:
        later = later_segments(folder, catalog.counter("generation"), rows) if excluded else []
    for file in later:
        yield Problem(file.path, "of a commit that the catalog has lost")
    keys = [np.empty(0, np.int64)]
    total = sum(row.vector_count for row in rows)
    for row, segment in zip(rows, opened, strict=True):
        progress(sum(map(len, keys)), total)
        if isinstance(segment, Problem):
            yield segment
            continue
        keys.append(segment.keys)
        for what in segment_problems(row, segment):
            yield Problem((folder.segments / row.name).path, what)
        for name in sketch_names(row.name):
            for file in SketchStore(folder.sketches).problems(name):
                yield Problem(
                    file.path,
                    f"damaged, so that a search may miss pairs. Delete {file.parent}: it only "
                    f"makes searching faster, and compacting the index makes it again",
                )
        store = OrientationStore(folder.orientations, catalog.fingerprint.dim)
        found = list(store.problems(segment))
        for file, what in found if segment.path.exists() else ():  # else a merge deleted it
            yield Problem(file.path, f"{what}. Delete {file.parent} to go on without it")
    stored = np.concatenate(keys)
    if len(np.unique(stored)) != len(stored):
        yield Problem(folder.segments.path, "a vector is stored twice")
    without_vector = np.setdiff1d(live, stored)
    if len(without_vector):
        yield Problem(folder.catalog.path, f"{len(without_vector):,} images have no vector")
    without_image = np.setdiff1d(stored, np.concatenate([live, removed]))
    if len(without_image):
        yield Problem(folder.catalog.path, f"{len(without_image):,} vectors have no image")


def _one_generation(
    catalog: Catalog, folder: IndexFolder
) -> tuple[list[SegmentRow], tuple[Int64, Int64], list[Segment | Problem]]:
    """Return the segments of one generation, the keys of its images (live, removed), and the open
    files; reads again if a merge has replaced one of them meanwhile.
    """
    while True:
        with catalog.transaction():
            generation = catalog.counter("generation")
            rows = catalog.segments.all()
            live = np.array(catalog.images.live_keys(), np.int64)
            removed = np.array(catalog.images.removed_keys(), np.int64)
        opened = _open_all(folder, rows, catalog.fingerprint.dim)
        complete = not any(isinstance(segment, Problem) for segment in opened)
        if complete or catalog.counter("generation") == generation:
            return rows, (live, removed), opened


def _open_all(folder: IndexFolder, rows: list[SegmentRow], dim: int) -> list[Segment | Problem]:
    """Open each segment, so that a merge cannot delete it, or return what is wrong with it."""
    opened: list[Segment | Problem] = []
    for row in rows:
        file = folder.segments / row.name
        try:
            opened.append(open_segment(file, row.byte_count, row.vector_count, dim))
        except FileNotFoundError:
            opened.append(Problem(file.path, "missing, though the catalog names it"))
        except IndexDamagedError as error:
            opened.append(Problem(file.path, error.message))
    return opened


def later_segments(
    folder: IndexFolder, generation: int, rows: list[SegmentRow]
) -> list[ContainedPath]:
    """Return segment files without a row, of generations after the catalog's next one.

    An interrupted run leaves files of the next generation. Later ones were committed, to a catalog
    that is not this one: it lost its log, or is an old copy.
    """
    found = []
    for path in folder.unlisted_segments({row.name for row in rows}):
        parsed = parse_segment_name(path.name)
        if parsed is not None and parsed[2] > generation + 1:
            found.append(path)
    return sorted(found, key=lambda path: path.name)


def segment_problems(row: SegmentRow, segment: Segment) -> Iterator[str]:
    """Describe, for people, what is wrong with a segment file that could be opened."""
    if segment_sha256(segment) != row.sha256:
        yield "damaged: its SHA-256 is not the one the catalog recorded"
    keys = segment.keys
    if len(keys) and not (
        keys[0] == row.first_key and keys[-1] == row.last_key and (np.diff(keys) > 0).all()
    ):
        yield "its keys are not those that the catalog recorded"
    for start in range(0, len(segment), _ROWS):
        lengths = np.linalg.norm(segment.vectors[start : start + _ROWS].astype(np.float64), axis=1)
        if not (np.abs(lengths - 1) < _UNIT_TOLERANCE).all():
            yield "contains vectors that are not of unit length"
            return
