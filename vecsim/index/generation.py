"""One generation of an index: its segments, opened together and searched together.

In results of searches, `query` is a row of the queries and `reference` the key of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vecsim.catalog import Catalog, SegmentRow
from vecsim.errors import IndexDamagedError
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder
from vecsim.index.orientation_store import OrientationStore
from vecsim.records import Bool, Int64
from vecsim.results import Pairs
from vecsim.search.axes import Axes
from vecsim.search.blocks import QueryVectors, ReferenceBlock
from vecsim.search.bounds import MakeBounds
from vecsim.search.range_search import range_search_tasks
from vecsim.search.sketch import LevelCodes, Sketch
from vecsim.search.tiles import Task, run_all
from vecsim.search.top_k import top_k
from vecsim.segments import Segment, open_segment


@dataclass(frozen=True, slots=True)
class Generation:
    """The segments of one generation, open, and the keys of removed images (ascending)."""

    number: int
    segments: list[Segment]
    removed: Int64


class _MissingSegmentError(IndexDamagedError):
    """A segment file that the catalog lists does not exist."""


def open_newest_generation(catalog: Catalog, folder: IndexFolder, dim: int) -> Generation:
    """Open all segments of the newest generation; again if a merge has just deleted one.

    `dim`: length of the vectors. Raises `IndexDamagedError` if a file is missing or damaged.
    """
    missing_in = -1
    while True:
        with catalog.transaction():
            number = catalog.counter("generation")
            rows = catalog.segments.all()
            removed = np.array(catalog.images.removed_keys(), np.int64)
        try:
            return Generation(number, [open_listed(folder, row, dim) for row in rows], removed)
        except _MissingSegmentError:
            if number == missing_in:
                raise
            missing_in = number


def open_listed(folder: IndexFolder, row: SegmentRow, dim: int) -> Segment:
    """Open the segment that `row` lists, with its orientations. Raises `IndexDamagedError`."""
    path = folder.segments / row.name
    try:
        segment = open_segment(path, row.byte_count, row.vector_count, dim)
        segment = _with_turned(segment, folder, dim)
        # A merge deletes a segment before its orientations: they were complete if it is there.
        path.stat()
        return segment
    except FileNotFoundError as error:
        raise _MissingSegmentError(
            f"{path}: missing, though the catalog names it.",
            hint=Hint(Action.RESTORE_OR_REPAIR, path=folder.path),
        ) from error


def _with_turned(segment: Segment, folder: IndexFolder, dim: int) -> Segment:
    """Add the stored orientations. Raises FileNotFoundError if a merge is deleting the segment."""
    try:
        return OrientationStore(folder.orientations, dim).with_turned(segment)
    except FileNotFoundError as error:
        segment.path.stat()
        raise IndexDamagedError(
            f"{error.filename}: missing, though it is listed beside it.",
            hint=Hint(Action.RESTORE_OR_REPAIR, path=folder.path),
        ) from error


def living_rows(segment: Segment, removed: Int64) -> Bool | None:
    """Return which rows of `segment` are not in `removed` (keys, ascending): (n,); None for all."""
    _, rows = segment.rows_of(removed)
    if not len(rows):
        return None
    alive = np.ones(len(segment), bool)
    alive[rows] = False
    return alive


def search_segment(
    segment: Segment,
    sketch: Sketch | None,
    alive: Bool | None,
    queries: QueryVectors,
    threshold: float,
    first: int,
) -> Pairs:
    """Find the pairs of `queries` with living rows >= `first` of one segment; references by key."""
    tasks = segment_tasks(segment, sketch, alive, queries, threshold, first)
    return run_all(tasks)


def segment_tasks(
    segment: Segment,
    sketch: Sketch | None,
    alive: Bool | None,
    queries: QueryVectors,
    threshold: float,
    first: int,
    bounds: MakeBounds | None = None,
) -> list[Task]:
    """Return tasks that together do what `search_segment` does.

    `bounds`: see `range_search_tasks`.
    """
    segment.check_size()
    block = ReferenceBlock(segment.vectors, segment.propose, sketch, alive)

    def by_key(task: Task) -> Pairs:
        pairs = task()
        return Pairs(pairs.query, segment.keys[pairs.reference], pairs.score)

    tasks = range_search_tasks(queries, block, threshold, first=first, bounds=bounds)
    return [partial(by_key, task) for task in tasks]


def top_k_of_segments(
    segments: Sequence[tuple[Segment, Sketch | None, Bool | None]], queries: QueryVectors, k: int
) -> Pairs:
    """Find each query's `k` best living vectors, and all that tie with the last; by key.

    With each segment come its sketch and which of its rows are alive.
    """
    for segment, _, _ in segments:
        segment.check_size()
    blocks = [
        ReferenceBlock(segment.vectors, segment.propose, sketch, alive)
        for segment, sketch, alive in segments
    ]
    pairs = top_k(queries, blocks, k)
    starts = np.cumsum([0, *map(len, blocks)])
    keys = np.empty(len(pairs), np.int64)
    for start, (segment, _, _) in zip(starts, segments, strict=False):
        here = (pairs.reference >= start) & (pairs.reference < start + len(segment))
        keys[here] = segment.keys[pairs.reference[here] - start]
    return Pairs(pairs.query, keys, pairs.score)


def stored_sketch(segments: Sequence[tuple[Segment, Sketch | None]], keys: Int64) -> Sketch | None:
    """Return the sketch of the images with `keys` (n,), in this order, from those of segments.

    None if one of them has none, or they have sketches of different axes.
    """
    order = np.argsort(keys)
    axes: Axes | None = None
    levels: list[LevelCodes] = []
    found = 0
    for segment, sketch in segments:
        positions, rows = segment.rows_of(keys[order])
        if not len(rows):
            continue
        if sketch is None or (axes is not None and sketch.axes.id != axes.id):
            return None
        if axes is None:
            axes = sketch.axes
            levels = [LevelCodes.empty(len(keys), each.code_count) for each in axes.levels]
        for own, stored in zip(levels, sketch.levels, strict=True):
            own.codes[order[positions]] = stored.codes[rows]
            own.offsets[order[positions]] = stored.offsets[rows]
        found += len(rows)
    return Sketch(axes, tuple(levels)) if axes is not None and found == len(keys) else None
