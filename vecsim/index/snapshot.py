"""A reader's view of an index: one generation, whatever a writer does meanwhile."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from vecsim.catalog import Catalog, ImageRow, SharedBytes, ThumbnailStore
from vecsim.catalog.decisions import Decision
from vecsim.errors import IndexDamagedError, UnknownIdError
from vecsim.hints import Action, Hint
from vecsim.index.generation import (
    living_rows,
    open_newest_generation,
    search_segment,
    top_k_of_segments,
)
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import ReaderLock, wal_damage
from vecsim.index.sketch_store import SketchStore
from vecsim.records import Bool, Failure, Float32, Int64, Pairs
from vecsim.search.blocks import as_queries, map_blocks
from vecsim.search.sketch import Sketch
from vecsim.segments import Segment

LISTED_ONLY = "listed_only"
"""The setting of an index whose images count only while a source lists them."""

_ROWS_AT_ONCE = 1000  # rows that are read from the catalog together
_NO_KEYS = np.empty(0, np.int64)


class Snapshot:
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
            self._thumbnails = ThumbnailStore(self.folder.thumbnails)
            opened.callback(self._thumbnails.close)
            self.fingerprint = self._catalog.fingerprint
            newest = open_newest_generation(self._catalog, self.folder, self.fingerprint.dim)
            self._finalizer = weakref.finalize(self, opened.pop_all().close)
        self._sketch_store = SketchStore(self.folder.sketches)
        self._sketches: dict[str, Sketch | None] = {}
        self.generation = newest.number
        self.segments = newest.segments
        self._exclude(self._with_unlisted(newest.removed))

    def _with_unlisted(self, removed: Int64) -> Int64:
        """Return `removed` with the images that no source lists, if only listed ones count."""
        if self.setting(LISTED_ONLY) is None:
            return removed
        return np.union1d(removed, np.array(self._catalog.sources.unowned_keys(), np.int64))

    def _exclude(self, removed: Int64) -> None:
        """Set which images do not count: `removed` holds their keys, ascending."""
        self._removed = removed
        self._alive = [living_rows(segment, removed) for segment in self.segments]
        self._keys = [
            segment.keys if alive is None else segment.keys[alive]
            for segment, alive in zip(self.segments, self._alive, strict=True)
        ]
        self.count = sum(map(len, self._keys))

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- rows of the catalog -------------------------------------------------------------------

    @property
    def catalog(self) -> Catalog:
        """The catalog, for reading."""
        return self._catalog

    @property
    def field_names(self) -> list[str]:
        """The names of the other columns of the sources, which each image carries."""
        return self._catalog.field_names()

    def setting(self, name: str) -> str | None:
        """Return a setting of the index, or None."""
        return self._catalog.setting(name)

    def rows(self, keys: Iterable[int]) -> dict[int, ImageRow]:
        """Return the rows of images of this snapshot, by key. Raises `IndexDamagedError`."""
        wanted = list(keys)
        found = self._catalog.images.by_key(wanted)
        if any(key not in found for key in wanted):
            raise IndexDamagedError(
                f"{self.folder.path}: some vectors have no image in the catalog.",
                hint=Hint(Action.VERIFY_INDEX, path=self.folder.path),
            )
        return found

    def rows_of_ids(self, ids: Iterable[str]) -> dict[str, ImageRow]:
        """Return the rows of images of this snapshot, by id; unknown ids are left out."""
        return self._catalog.images.by_id_at(ids, self.generation)

    def row_of(self, image_id: str) -> ImageRow:
        """Return the row of the image called `image_id`. Raises `UnknownIdError`."""
        rows = self.rows_of_ids([image_id])
        if image_id not in rows:
            raise UnknownIdError(f"{self.folder.path}: no image has the id {image_id!r}.")
        return rows[image_id]

    def all_rows(self) -> Iterator[ImageRow]:
        """Yield the rows of all images, in the order in which they were added."""
        for keys in self._keys:
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                part = keys[start : start + _ROWS_AT_ONCE].tolist()
                rows = self.rows(part)
                yield from (rows[key] for key in part)

    def keys_since(self, moment: str) -> Int64:
        """Return the keys, ascending, of images added at or after `moment` (UTC, ISO 8601)."""
        return np.array(self._catalog.images.keys_added_since(moment), np.int64)

    def thumbnails(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the thumbnails (WebP files) of those images of this snapshot that have one."""
        return self._thumbnails.get(keys)

    def failures(self) -> Iterator[Failure]:
        """Yield the recorded failures, as they are now."""
        return self._catalog.failures.all()

    def failures_by_kind(self) -> dict[str, int]:
        """Return how many failures of each kind there are now."""
        return self._catalog.failures.by_kind()

    def shared_bytes(self, least: int) -> list[SharedBytes]:
        """Return bytes that at least `least` images have, the most frequent first."""
        return self._catalog.images.shared_bytes(least, self.generation)

    def urls_of(self, sha256: str, limit: int) -> list[str]:
        """Return at most `limit` of the URLs whose bytes have this hash."""
        return self._catalog.images.urls_by_sha256(sha256, limit, self.generation)

    def decisions(self) -> list[Decision]:
        """Return the decisions about pairs of pictures, as they are now."""
        return self._catalog.decisions.all()

    def rows_of_hashes(self, hashes: Iterable[str]) -> list[ImageRow]:
        """Return the rows, by ascending key, of images with bytes of these hashes."""
        return self._catalog.images.by_hashes(hashes, self.generation)

    def count_uniform(self) -> int:
        """Return how many images have pictures of one colour, as far as that was measured."""
        return self._catalog.images.count_uniform(self.generation)

    def warnings(self) -> Iterator[tuple[str, str, str]]:
        """Yield id, URL and the decoder's warnings, as they are now, of each image with any."""
        return self._catalog.images.warnings()

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
            vectors[positions] = segment.vectors[rows]
            found += len(rows)
        if found != len(keys):
            raise IndexDamagedError(
                f"{self.folder.path}: {len(keys) - found} images have no vector.",
                hint=Hint(Action.VERIFY_INDEX, path=self.folder.path),
            )
        return vectors

    def slice(self, start: int, stop: int) -> tuple[Int64, Float32]:
        """Return the images at positions `start` up to `stop`: keys (n,) and vectors (n, dim)."""
        keys, vectors = [_NO_KEYS], [np.empty((0, self.fingerprint.dim), np.float32)]
        for segment, alive, own in zip(self.segments, self._alive, self._keys, strict=True):
            rows = np.arange(max(start, 0), min(stop, len(own)))
            if len(rows):
                segment.check_size()
                keys.append(own[rows])
                if alive is not None:
                    rows = np.flatnonzero(alive)[rows]
                vectors.append(segment.vectors[rows])
            start, stop = start - len(own), stop - len(own)
            if stop <= 0:
                break
        return np.concatenate(keys), np.concatenate(vectors)

    # -- search --------------------------------------------------------------------------------

    def range_search(
        self, queries: Float32, threshold: float, *, after: int = 0, only: Int64 | None = None
    ) -> Pairs:
        """Find every pair of a query and an image with score >= `threshold`, in no fixed order.

        `queries`: float32 (q, dim), unit rows. Only images with a key > `after` and, if given,
        among `only` (ascending keys) count. In the result, `query` is a row of `queries`,
        `reference` a key.
        """
        encoded = as_queries(queries)  # codes are computed once for segments with the same axes

        def search(part: tuple[Segment, Bool | None, int]) -> Pairs:
            segment, alive, first = part
            return search_segment(segment, self._sketch(segment), alive, encoded, threshold, first)

        parts = list(self.segments_to_search(after, only))
        return Pairs.concatenate(map_blocks(search, parts, len(queries)))

    def segments_to_search(
        self, after: int, only: Int64 | None
    ) -> Iterator[tuple[Segment, Bool | None, int]]:
        """Yield the segments that a range search must read.

        Each with a mask of the rows that count (None: all) and the first row that may count.
        """
        for segment, alive in zip(self.segments, self._alive, strict=True):
            first = int(np.searchsorted(segment.keys, after, side="right"))
            if first == len(segment):
                continue
            if only is not None:
                wanted = np.isin(segment.keys, only, assume_unique=True)
                alive = wanted if alive is None else alive & wanted
                if not alive.any():
                    continue
            yield segment, alive, first

    def top_k(self, queries: Float32, k: int) -> Pairs:
        """Find each query's `k` best images and all that tie with the last, in no fixed order.

        In the result, `query` is a row of `queries`, `reference` a key.
        """
        segments = [
            (segment, self._sketch(segment), alive)
            for segment, alive in zip(self.segments, self._alive, strict=True)
        ]
        return top_k_of_segments(segments, queries, k)

    def _sketch(self, segment: Segment) -> Sketch | None:
        """Return the segment's sketch, mapped when it is first needed."""
        if segment.name not in self._sketches:
            self._sketches[segment.name] = self._sketch_store.load(segment)
        sketch = self._sketches[segment.name]
        return sketch if sketch is not None and self._sketch_store.is_whole(segment.name) else None
