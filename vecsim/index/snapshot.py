"""A reader's view of an index: one generation, whatever a writer does meanwhile."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from vecsim.catalog import Catalog
from vecsim.errors import IndexDamagedError
from vecsim.hints import Action, Hint
from vecsim.index.generation import (
    living_rows,
    open_newest_generation,
    segment_tasks,
    stored_sketch,
    top_k_of_segments,
)
from vecsim.index.late_thumbnails import ShownThumbnails
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import ReaderLock, wal_damage
from vecsim.index.sketch_store import SketchStore
from vecsim.index.snapshot_rows import SnapshotRows
from vecsim.orientations import AS_IT_IS
from vecsim.records import Bool, Float32, Int64
from vecsim.results import Pairs
from vecsim.search.blocks import CodeStore, Queries, QueryVectors, as_queries, sample_rows
from vecsim.search.bounds import MakeBounds
from vecsim.search.score import take_rows
from vecsim.search.sketch import Sketch
from vecsim.search.tiles import Task, run_all
from vecsim.segments import Segment

LISTED_ONLY = "listed_only"
"""The setting of an index whose images count only while a source lists them."""

_NO_KEYS = np.empty(0, np.int64)


class Snapshot(SnapshotRows):
    """All segments of one generation, held open, and the catalog rows that belong to them.

    Images have positions 0 … count-1, in the order in which they were added, and keys, which are
    never reused. Look-ups in the catalog are not safe from two threads at once.
    """

    def __init__(self, path: Path) -> None:
        """Open the newest generation. Raises `IndexMissingError`, `IndexDamagedError`."""
        self.folder = IndexFolder(path)
        self.folder.require()
        with ExitStack() as opened:
            lock = ReaderLock(self.folder.reader_lock)
            opened.callback(lock.release)
            damage = wal_damage(self.folder, self.folder.catalog)
            if damage is not None and damage.certain:
                raise IndexDamagedError(
                    f"{damage.file}: {damage.what}.", hint=Hint(Action.REPAIR_INDEX, path=path)
                )
            # The garbage collector may close it in any thread.
            self._catalog = Catalog.open(self.folder.catalog, shared=True)
            opened.callback(self._catalog.close)
            self._thumbnails = ShownThumbnails(self.folder.thumbnails)
            opened.callback(self._thumbnails.close)
            self.fingerprint = self._catalog.fingerprint
            newest = open_newest_generation(self._catalog, self.folder, self.fingerprint.dim)
            self._finalizer = weakref.finalize(self, opened.pop_all().close)
        self._sketch_store = SketchStore(self.folder.sketches)
        self._sketches: dict[str, Sketch | None] = {}
        self._names = {}
        self.generation = newest.number
        self.segments = newest.segments
        self._exclude(self._with_unlisted(newest.removed))

    def _with_unlisted(self, removed: Int64) -> Int64:
        """Return `removed` with the images that no source lists, if only listed ones count."""
        if self.setting(LISTED_ONLY) is None:
            return removed
        unlisted = np.array(self._catalog.sources.unowned_keys(), np.int64)
        # `union1d` imports masked arrays.
        return np.union1d(removed, unlisted) if len(unlisted) else removed

    def _exclude(self, removed: Int64) -> None:
        """Set which images do not count: `removed` holds their keys, ascending."""
        self._removed = removed
        self._alive = [living_rows(segment, removed) for segment in self.segments]
        self._keys = [
            segment.keys if alive is None else segment.keys[alive]
            for segment, alive in zip(self.segments, self._alive, strict=True)
        ]
        self.count = sum(map(len, self._keys))
        self._codes = CodeStore(self.count)

    def close(self) -> None:
        """Close the files. Views of vectors taken from the snapshot stay valid.

        The garbage collector closes a snapshot that was not closed.
        """
        self._finalizer()

    def is_newest(self) -> bool:
        """Return whether no writer has committed anything since the snapshot was opened."""
        return self._catalog.counter("generation") == self.generation

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def hide(self, keys: Int64) -> int:
        """Exclude images, by key, from now on; returns how many of them there were.

        Their rows can still be looked up.
        """
        before = self.count
        self._exclude(np.union1d(self._removed, keys))
        return before - self.count

    # -- vectors -------------------------------------------------------------------------------

    def keys(self) -> Int64:
        """Return the keys of all images, ascending."""
        return np.concatenate([_NO_KEYS, *self._keys])

    def vectors_of(self, keys: Int64) -> Float32:
        """Return the stored vectors of `keys` (ascending): float32 (n, dim).

        Raises `IndexDamagedError` if one is missing.
        """
        vectors = np.empty((len(keys), self.fingerprint.dim), np.float32)
        found = 0
        for segment in self.segments:
            positions, rows = segment.rows_of(keys)
            vectors[positions] = take_rows(segment.vectors, rows)
            found += len(rows)
        if found != len(keys):
            raise IndexDamagedError(
                f"{self.folder.path}: {len(keys) - found} images have no vector.",
                hint=Hint(Action.VERIFY_INDEX, path=self.folder.path),
            )
        return vectors

    def sketch_of(self, keys: Int64) -> Sketch | None:
        """Return the stored sketch of `keys` (n,), in their order; None if not all have one."""
        return stored_sketch([(each, self._sketch(each)) for each in self.segments], keys)

    def turned_of(self, keys: Int64, code: int) -> tuple[Int64, Float32]:
        """Return the stored vectors of `keys` (ascending) in the orientation `code`.

        Returns which of `keys` have one, as positions int64 (m,), and float32 (m, dim).
        """
        found = [_NO_KEYS]
        vectors = [np.empty((0, self.fingerprint.dim), np.float32)]
        for segment in self.segments:
            turned = segment.turned.get(code)
            if turned is not None:
                positions, rows = turned.rows_of(keys)
                found.append(positions)
                vectors.append(take_rows(turned.vectors, rows))
        return np.concatenate(found), np.concatenate(vectors)

    def turned_counts(self) -> dict[int, int]:
        """Return how many images have a stored vector in each orientation, by its code."""
        counts: Counter[int] = Counter()
        for segment in self.segments:
            for code, turned in segment.turned.items():
                counts[code] += len(turned) - len(turned.rows_of(self._removed)[0])
        return {code: count for code, count in sorted(counts.items()) if count}

    def slice(self, start: int, stop: int) -> tuple[Int64, Float32]:
        """Return the images at positions `start` up to `stop`: keys (n,) and vectors (n, dim).

        The vectors may be a view of the mapped file.
        """
        keys, vectors = [_NO_KEYS], []
        for segment, alive, own in zip(self.segments, self._alive, self._keys, strict=True):
            first, last = max(start, 0), min(stop, len(own))
            if first < last:
                segment.check_size()
                keys.append(own[first:last])
                if alive is None:
                    vectors.append(segment.vectors[first:last])
                else:
                    vectors.append(take_rows(segment.vectors, np.flatnonzero(alive)[first:last]))
            start, stop = start - len(own), stop - len(own)
            if stop <= 0:
                break
        if len(vectors) == 1:
            return np.concatenate(keys), vectors[0]
        return np.concatenate(keys), np.concatenate([self._no_vectors, *vectors])

    def queries(self, start: int, stop: int) -> tuple[Int64, Queries]:
        """Return the same for a search: codes of the vectors are kept for the next one."""
        keys, vectors = self.slice(start, stop)
        return keys, Queries(vectors, store=self._codes, first=start)

    def sample(self, count: int) -> Float32:
        """Return the vectors of up to `count` images, spread evenly, the same at each call."""
        count = min(count, self.count)
        return self.vectors_of(np.sort(self.keys()[sample_rows(0, self.count, count)]))

    @property
    def _no_vectors(self) -> Float32:
        return np.empty((0, self.fingerprint.dim), np.float32)

    # -- search --------------------------------------------------------------------------------

    def range_search(
        self,
        queries: QueryVectors,
        threshold: float,
        *,
        after: int = 0,
        only: Int64 | None = None,
        code: int = AS_IT_IS,
    ) -> Pairs:
        """Find every pair of a query and an image with score >= `threshold`, in no fixed order.

        `queries`: float32 (q, dim), unit rows. Only images with a key > `after` and, if given,
        among `only` (ascending keys) count. `code`: the stored orientation of the images that is
        searched. In the result, `query` is a row of `queries`, `reference` a key.
        """
        return run_all(
            self.range_search_tasks(queries, threshold, after=after, only=only, code=code)
        )

    def range_search_tasks(
        self,
        queries: QueryVectors,
        threshold: float,
        *,
        after: int = 0,
        only: Int64 | None = None,
        code: int = AS_IT_IS,
        bounds: MakeBounds | None = None,
    ) -> list[Task]:
        """Return tasks that together do what `range_search` does, in any order, on any threads.

        `bounds`: how cosines are bounded, if not in the way that is fastest on this processor.
        """
        encoded = as_queries(queries)  # codes are computed once for segments with the same axes
        return [
            task
            for segment, alive, first in self.segments_to_search(after, only, code)
            for task in segment_tasks(
                segment, self._sketch(segment), alive, encoded, threshold, first, bounds
            )
        ]

    def segments_to_search(
        self, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> Iterator[tuple[Segment, Bool | None, int]]:
        """Yield the segments that a range search must read.

        Each with a mask of the rows that count (None: all) and the first row that may count.
        """
        for segment, alive in self._oriented(code):
            first = int(np.searchsorted(segment.keys, after, side="right"))
            if first == len(segment):
                continue
            if only is not None:
                wanted = np.isin(segment.keys, only, assume_unique=True)
                alive = wanted if alive is None else alive & wanted
                if not alive.any():
                    continue
            yield segment, alive, first

    def _oriented(self, code: int) -> Iterator[tuple[Segment, Bool | None]]:
        """Yield the segments with the vectors of one orientation, and which of their rows count."""
        if code == AS_IT_IS:
            yield from zip(self.segments, self._alive, strict=True)
            return
        for segment in self.segments:
            if code in segment.turned:
                turned = segment.turned[code]
                yield turned, living_rows(turned, self._removed)

    def top_k(self, queries: QueryVectors, k: int) -> Pairs:
        """Find each query's `k` best images and all that tie with the last, in no fixed order.

        In the result, `query` is a row of `queries`, `reference` a key.
        """
        sketches = map(self._sketch, self.segments)
        segments = list(zip(self.segments, sketches, self._alive, strict=True))
        return top_k_of_segments(segments, queries, k)

    def _sketch(self, segment: Segment) -> Sketch | None:
        """Return the segment's sketch, mapped when it is first needed."""
        name = segment.sketch_name
        if name not in self._sketches:
            self._sketches[name] = self._sketch_store.load(segment)
        sketch = self._sketches[name]
        return sketch if sketch is not None and self._sketch_store.is_whole(name) else None
