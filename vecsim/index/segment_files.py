"""The segment files of an index as its writer keeps them: written, listed, merged, swept up.

The rule for merging keeps files few, and each vector is rewritten O(log n) times.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from vecsim.catalog import Catalog, SegmentRow
from vecsim.contained.names import segment_name
from vecsim.errors import IndexDamagedError, StorageError
from vecsim.hints import Action, Hint
from vecsim.index.generation import living_rows, open_listed
from vecsim.index.layout import IndexFolder
from vecsim.index.orientation_store import (
    NOTHING_ADDED,
    Added,
    NewOrientations,
    OrientationStore,
    merged_orientations,
)
from vecsim.index.sketch_store import SketchStore
from vecsim.index.verify import later_segments
from vecsim.records import Float32, Int64
from vecsim.segments import Segment, write_segment

log = logging.getLogger(__name__)

# Rows that are copied at a time when segments are merged: a few megabytes, whatever their size.
_COPIED_AT_ONCE = 4096

_NOT_TURNED: NewOrientations = {}

# A segment is rewritten once more than this share of it is removed.
_MAX_REMOVED_SHARE = 0.5


class SegmentFiles:
    """The listed segments of an index, open, with their rows in the catalog and their sketches.

    The caller holds the lock of the writer. A file is complete and durable before the catalog lists
    it, and is deleted only after a commit has removed it from the list.
    """

    def __init__(self, folder: IndexFolder, catalog: Catalog, dim: int) -> None:
        """Delete what an interrupted run left, and open the listed segments.

        `dim`: length of the vectors. Raises `IndexDamagedError`, `StorageError`.
        """
        self._folder = folder
        self._catalog = catalog
        self._dim = dim
        self._sketches = SketchStore(folder.sketches)
        self._orientations = OrientationStore(folder.orientations, dim)
        self._rows = catalog.segments.all()
        self._sweep()
        self._segments = [self._open(row) for row in self._rows]

    @property
    def open_now(self) -> tuple[Segment, ...]:
        """The committed segments; safe to read from other threads."""
        return tuple(self._segments)

    def _open(self, row: SegmentRow) -> Segment:
        return open_listed(self._folder, row, self._dim)

    def _sweep(self) -> None:
        """Delete files that the catalog does not list."""
        folder = self._folder
        later = later_segments(folder, self._catalog.counter("generation"), self._rows)
        if later:
            raise IndexDamagedError(
                f"{folder.catalog}: older than its segments ({later[0].name} belongs to a commit "
                f"that it does not know): it lost its log, or is an old copy.",
                hint=Hint(Action.REPAIR_INDEX, path=folder.path),
            )
        listed = {row.name for row in self._rows}
        self._sketches.sweep(listed)
        self._orientations.sweep(listed)
        try:
            # A copy made by git lacks the folder while it is empty.
            folder.segments.make_folder()
            for path in folder.unlisted_segments(listed):
                log.info("removing %s, left by an interrupted run", path)
                path.unlink()
        except OSError as error:
            raise StorageError(
                f"{folder.segments}: cannot be written ({error.strerror})."
            ) from error

    # -- adding --------------------------------------------------------------------------------

    def write(
        self,
        keys: Int64,
        count: int,
        parts: Iterable[tuple[Int64, Float32]],
        turned: NewOrientations = _NOT_TURNED,
    ) -> SegmentRow:
        """Write a segment file that the catalog does not list yet; return the row that lists it.

        `keys`: at least the first and the last, `count` and `parts`: as for `write_segment`.
        `turned`: what is stored beside it.
        """
        first, last = int(keys[0]), int(keys[-1])
        generation = self._catalog.counter("generation") + 1
        name = segment_name(first, last, generation)
        self._orientations.write(name, turned)
        size, checksum = write_segment(self._folder.segments / name, self._dim, count, parts)
        return SegmentRow(name, count, first, last, size, checksum)

    def adopt(self, row: SegmentRow) -> None:
        """Open a segment that has just been listed, store its sketch, and merge if it is due."""
        self._rows.append(row)
        self._segments.append(self._open(row))
        self._store_sketches(self._segments[-1])
        start = run_to_merge([row.vector_count for row in self._rows])
        if start is not None:
            self._rewrite(start, len(self._rows))

    def _store_sketches(self, segment: Segment) -> None:
        """Store the sketches of a segment and of the orientations beside it, where they lack."""
        for each in (segment, *segment.turned.values()):
            self._sketches.store(each)

    # -- merging -------------------------------------------------------------------------------

    def drop_removed(self) -> None:
        """Rewrite the segments of which the greater part is removed."""
        removed = self._removed_keys()
        for position in range(len(self._rows) - 1, -1, -1):
            segment = self._segments[position]
            if len(segment.rows_of(removed)[1]) > _MAX_REMOVED_SHARE * len(segment):
                self._rewrite(position, position + 1)

    def compact(self) -> None:
        """Merge neighbours as far as they fit together, without their removed vectors."""
        removed = self._removed_keys()
        dead = [len(segment.rows_of(removed)[1]) for segment in self._segments]
        sizes = [len(s) - d for s, d in zip(self._segments, dead, strict=True)]
        for start, end in reversed(runs_to_compact(sizes)):
            if end - start > 1 or dead[start]:
                self._rewrite(start, end)
        for segment in self._segments:
            self._store_sketches(segment)

    def _removed_keys(self) -> Int64:
        return np.array(sorted(self._catalog.images.removed_keys()), np.int64)

    def add_turned(self, turned: Added) -> None:
        """Store vectors of images in further orientations, in place of earlier ones.

        `turned`: by key, then by the code of the orientation. Each segment that has one of these
        images is rewritten; keys that no segment has are left out.
        """
        keys = np.array(sorted(turned), np.int64)
        for position, segment in enumerate(self._segments):
            own = keys[segment.rows_of(keys)[0]].tolist()
            if own:
                self._rewrite(position, position + 1, {key: turned[key] for key in own})

    def _rewrite(self, start: int, end: int, added: Added = NOTHING_ADDED) -> None:
        """Replace the segments at positions `start` up to `end` by one of their living vectors.

        `added`: vectors in further orientations, by key.
        """
        removed = self._removed_keys()
        old, segments = self._rows[start:end], self._segments[start:end]
        living = [_living_positions(segment, removed) for segment in segments]
        kept = [segment.keys[rows] for segment, rows in zip(segments, living, strict=True)]
        keys = np.concatenate(kept)
        new = []
        if len(keys):
            turned = merged_orientations(segments, removed, added)
            new.append(self.write(keys, len(keys), self._copy(old, living), turned))
        with self._catalog.transaction():
            generation = self._catalog.advance("generation")
            self._catalog.segments.delete(row.name for row in old)
            for row in new:
                self._catalog.segments.insert(row, generation)
        # Readers of an older generation hold these files open; only the names are deleted.
        for row in old:
            with suppress(OSError):  # the next writer sweeps it up
                (self._folder.segments / row.name).unlink()
                self._orientations.drop(row.name)  # afterwards: see `open_listed`
        self._rows[start:end] = new
        self._segments[start:end] = [self._open(row) for row in new]
        for segment in self._segments[start : start + len(new)]:
            self._store_sketches(segment)
        self._sketches.sweep(row.name for row in self._rows)

    def _copy(
        self, rows: Sequence[SegmentRow], living: Sequence[Int64]
    ) -> Iterator[tuple[Int64, Float32]]:
        """Yield keys and vectors of segments at `living` positions, a few thousand at a time.

        Each part is mapped again, so that pages already copied do not stay resident.
        """
        for row, positions in zip(rows, living, strict=True):
            for start in range(0, len(positions), _COPIED_AT_ONCE):
                part = positions[start : start + _COPIED_AT_ONCE]
                segment = self._open(row)
                yield segment.keys[part], segment.vectors[part]


def _living_positions(segment: Segment, removed: Int64) -> Int64:
    alive = living_rows(segment, removed)
    return np.arange(len(segment)) if alive is None else np.flatnonzero(alive)


# -- which segments to merge ------------------------------------------------------------------

# A vector moves only into a segment at least this many times the size of the one it leaves, so it
# is rewritten at most log_8(n) times, and at most about 7 segments of similar size are neighbours.
GROWTH = 8

# Segments do not grow beyond this many vectors: no merge takes longer than writing one such file.
LARGEST = 262_144


def run_to_merge(sizes: Sequence[int]) -> int | None:
    """Return where the run of segments to merge starts (it ends with the last one), or None.

    `sizes`: vectors per segment, in the order of their keys; merging neighbours gives a segment
    that covers a range of keys of its own. The longest run is chosen whose first segment moves into
    one of `GROWTH` times its size, and which is not larger than `LARGEST`.
    """
    total = 0
    start = None
    for position in range(len(sizes) - 1, -1, -1):
        total += sizes[position]
        if total > LARGEST:
            break
        if total >= GROWTH * sizes[position]:
            start = position
    return start


def runs_to_compact(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return all segments as runs (start, end) of neighbours that each fit into one segment."""
    runs: list[tuple[int, int]] = []
    start, total = 0, 0
    for position, size in enumerate(sizes):
        if position > start and total + size > LARGEST:
            runs.append((start, position))
            start, total = position, 0
        total += size
    if sizes:
        runs.append((start, len(sizes)))
    return runs
