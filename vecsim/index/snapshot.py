"""A reader's view: one generation of an index, whatever a writer does meanwhile."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from vecsim.catalog import Catalog, ImageRow, SegmentRow, SharedBytes, ThumbnailStore
from vecsim.errors import IndexDamagedError, UnknownIdError
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import ReaderLock, wal_damage
from vecsim.index.sketch_store import SketchStore
from vecsim.records import Bool, Failure, Float32, Int64, Pairs
from vecsim.search.blocks import QueryVectors, ReferenceBlock, as_queries
from vecsim.search.plan import map_blocks
from vecsim.search.range_search import range_search
from vecsim.search.sketch import Sketch
from vecsim.search.top_k import top_k
from vecsim.segments import Segment, open_segment


class Snapshot:
    """All segments of one generation, held open, and the rows that belong to them.

    Images are numbered by their position: 0 … count-1 in the order in which they were added.
    """

    def __init__(self, path: Path) -> None:
        """Open the newest generation. Raises `IndexMissingError`, `IndexDamagedError`."""
        self.folder = IndexFolder(path)
        self.folder.require()
        lock = ReaderLock(self.folder.reader_lock)
        try:
            damage = wal_damage(self.folder, self.folder.catalog)
            if damage is not None and damage.certain:
                raise IndexDamagedError(
                    f"{damage.file}: {damage.what}. "
                    f"Save what can be saved with: vecsim repair {path}"
                )
            # Whichever thread drops the last reference may be the one that closes it.
            self._catalog = Catalog.open(self.folder.catalog, shared=True)
        except BaseException:
            lock.release()
            raise
        self._thumbnails = ThumbnailStore(self.folder.thumbnails)
        self._finalizer = weakref.finalize(self, _release, self._catalog, self._thumbnails, lock)
        self._sketch_store = SketchStore(self.folder.sketches)
        self._sketches: dict[str, Sketch | None] = {}
        try:
            self.fingerprint = self._catalog.fingerprint
            self.generation, self.segments, self._removed = self._open_segments()
        except BaseException:
            self.close()
            raise
        self._leave_out(self._removed)

    def _leave_out(self, removed: Int64) -> None:
        """Say which images do not count (keys, ascending)."""
        self.alive = [_alive(segment, removed) for segment in self.segments]
        self._keys = [
            segment.keys if alive is None else segment.keys[alive]
            for segment, alive in zip(self.segments, self.alive, strict=True)
        ]
        self.count = sum(map(len, self._keys))

    def _open_segments(self) -> tuple[int, list[Segment], Int64]:
        """Open every file of the newest generation; again if a merge retired one just now."""
        generation = -1
        while True:
            with self._catalog.transaction():
                newest = self._catalog.counter("generation")
                rows = self._catalog.segments.all()
                removed = np.array(self._catalog.images.removed_keys(), np.int64)
            try:
                return newest, [self._open_segment(row) for row in rows], removed
            except FileNotFoundError as error:
                if newest == generation:
                    raise IndexDamagedError(
                        f"{error.filename}: missing, though the catalog names it. Restore it "
                        f"from a backup, or go on without it: vecsim repair {self.folder.path}"
                    ) from error
                generation = newest

    def _open_segment(self, row: SegmentRow) -> Segment:
        path = self.folder.segments / row.name
        return open_segment(path, row.byte_count, row.vector_count, self.fingerprint.dim)

    def close(self) -> None:
        """Let go of the files. Views of vectors taken from the snapshot stay valid.

        A snapshot that nobody refers to any more closes by itself.
        """
        self._finalizer()

    def is_newest(self) -> bool:
        """Whether no writer has committed anything since."""
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

    # -- rows ----------------------------------------------------------------------------------

    @property
    def field_names(self) -> list[str]:
        """Names of the carried fields."""
        return self._catalog.field_names()

    def setting(self, name: str) -> str | None:
        """A setting of the index, or None."""
        return self._catalog.setting(name)

    def rows(self, keys: Iterable[int]) -> dict[int, ImageRow]:
        """The rows of images of this snapshot, by key."""
        wanted = list(keys)
        found = self._catalog.images.by_key(wanted)
        if any(key not in found for key in wanted):
            raise IndexDamagedError(
                f"{self.folder.path}: some vectors have no image in the catalog. "
                f"See what is wrong with: vecsim verify {self.folder.path}"
            )
        return found

    def rows_of_ids(self, ids: Iterable[str]) -> dict[str, ImageRow]:
        """The rows of images of this snapshot, by id; unknown ids are left out."""
        return self._catalog.images.by_id_at(ids, self.generation)

    def row_of(self, image_id: str) -> ImageRow:
        """The row of the image called `image_id`. Raises `UnknownIdError`."""
        rows = self.rows_of_ids([image_id])
        if image_id not in rows:
            raise UnknownIdError(f"{self.folder.path}: no image has the id {image_id!r}.")
        return rows[image_id]

    def thumbnails(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Small pictures (WebP files) of those images of this snapshot that have one, by key.

        Not from two threads at once, like all look-ups here.
        """
        return self._thumbnails.get(keys)

    def failures(self) -> Iterator[Failure]:
        """Recorded failures, as they are now."""
        return self._catalog.failures.all()

    def failures_part(self, start: int, limit: int) -> list[Failure]:
        """At most `limit` of the recorded failures, from position `start` on."""
        return self._catalog.failures.part(start, limit)

    def failures_by_kind(self) -> dict[str, int]:
        """How many failures of each kind there are now."""
        return self._catalog.failures.by_kind()

    def shared_bytes(self, least: int) -> list[SharedBytes]:
        """Bytes that at least `least` images have, most frequent first."""
        return self._catalog.images.shared_bytes(least, self.generation)

    def urls_of(self, sha256: str, limit: int) -> list[str]:
        """Some of the URLs whose bytes have this hash."""
        return self._catalog.images.urls_of(sha256, limit, self.generation)

    def warnings(self) -> Iterator[tuple[str, str, str]]:
        """Id, URL and the decoder's complaints, as they are now, of each image that has some."""
        return self._catalog.images.warnings()

    def hide(self, hashes: Iterable[str]) -> int:
        """Answer from now on as if images of these bytes were not there; returns how many.

        Their rows can still be asked for.
        """
        hidden = np.array(self._catalog.images.keys_with_bytes(hashes), np.int64)
        before = self.count
        self._removed = np.union1d(self._removed, hidden)
        self._leave_out(self._removed)
        return before - self.count

    def keys(self) -> Int64:
        """The keys of all images, ascending."""
        return np.concatenate([_NO_KEYS, *self._keys])

    def all_rows(self) -> Iterator[ImageRow]:
        """The rows of all images, in the order in which they were added."""
        for keys in self._keys:
            for start in range(0, len(keys), 1000):
                part = keys[start : start + 1000].tolist()
                rows = self.rows(part)
                yield from (rows[key] for key in part)

    # -- vectors -------------------------------------------------------------------------------

    def vectors_of(self, keys: Int64) -> Float32:
        """The stored vectors of `keys` (ascending), float32 (n, dim)."""
        vectors = np.empty((len(keys), self.fingerprint.dim), np.float32)
        found = 0
        for segment in self.segments:
            positions, rows = segment.rows_of(keys)
            vectors[positions] = segment.vectors[rows]
            found += len(rows)
        if found != len(keys):
            raise IndexDamagedError(
                f"{self.folder.path}: {len(keys) - found} images have no vector. "
                f"See what is wrong with: vecsim verify {self.folder.path}"
            )
        return vectors

    def slice(self, start: int, stop: int) -> tuple[Int64, Float32]:
        """Images by position, from `start` up to `stop`: keys (n,) and vectors (n, dim)."""
        keys, vectors = [_NO_KEYS], [np.empty((0, self.fingerprint.dim), np.float32)]
        for segment, alive, own in zip(self.segments, self.alive, self._keys, strict=True):
            rows = np.arange(max(start, 0), min(stop, len(own)))
            if len(rows):
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
        """Every pair of a query and an image with score >= `threshold`.

        `queries`: float32 (q, dim), unit. Of the images, those with a key > `after` and, if
        given, among `only` (ascending keys). In the result, `query` is a row of `queries`,
        `reference` a key.
        """
        projected = as_queries(queries)

        def search(part: tuple[Segment, Bool | None, int]) -> Pairs:
            segment, alive, first = part
            return search_segment(
                segment, self._sketch(segment), alive, projected, threshold, first
            )

        return Pairs.concatenate(
            map_blocks(search, list(self.segments_to_search(after, only)), len(queries))
        )

    def segments_to_search(
        self, after: int, only: Int64 | None
    ) -> Iterator[tuple[Segment, Bool | None, int]]:
        """The segments that a range search must read: each with the rows that count, from where."""
        for segment, alive in zip(self.segments, self.alive, strict=True):
            first = int(np.searchsorted(segment.keys, after, side="right"))
            if first == len(segment):
                continue
            if only is not None:
                alive = _and(alive, np.isin(segment.keys, only, assume_unique=True))
                if not alive.any():
                    continue
            yield segment, alive, first

    def top_k(self, queries: Float32, k: int) -> Pairs:
        """For each query its `k` best images and all that tie with the last of them.

        In the result, `query` is a row of `queries`, `reference` a key.
        """
        blocks = [
            ReferenceBlock(segment.vectors, segment.propose, self._sketch(segment), alive)
            for segment, alive in zip(self.segments, self.alive, strict=True)
        ]
        pairs = top_k(queries, blocks, k)
        starts = np.cumsum([0, *map(len, self.segments)])
        keys = np.empty(len(pairs), np.int64)
        for start, segment in zip(starts, self.segments, strict=False):
            here = (pairs.reference >= start) & (pairs.reference < start + len(segment))
            keys[here] = segment.keys[pairs.reference[here] - start]
        return Pairs(pairs.query, keys, pairs.score)

    def _sketch(self, segment: Segment) -> Sketch | None:
        """The segment's sketch, mapped when it is first needed."""
        if segment.name not in self._sketches:
            self._sketches[segment.name] = self._sketch_store.load(segment)
        return self._sketches[segment.name]

    def keys_since(self, moment: str) -> Int64:
        """Keys, ascending, of images added at or after `moment` (UTC, ISO 8601)."""
        return np.array(self._catalog.images.keys_added_since(moment), np.int64)


_NO_KEYS = np.empty(0, np.int64)


def search_segment(
    segment: Segment,
    sketch: Sketch | None,
    alive: Bool | None,
    queries: QueryVectors,
    threshold: float,
    first: int,
) -> Pairs:
    """The pairs of `queries` with living rows of one segment from `first` on; references by key."""
    block = ReferenceBlock(segment.vectors, segment.propose, sketch, alive)
    pairs = range_search(queries, block, threshold, first=first)
    return Pairs(pairs.query, segment.keys[pairs.reference], pairs.score)


def _release(catalog: Catalog, thumbnails: ThumbnailStore, lock: ReaderLock) -> None:
    catalog.close()
    thumbnails.close()
    lock.release()


def _alive(segment: Segment, removed: Int64) -> Bool | None:
    """Which rows of the segment are not removed; None for all."""
    _, rows = segment.rows_of(removed)
    if not len(rows):
        return None
    alive = np.ones(len(segment), bool)
    alive[rows] = False
    return alive


def _and(alive: Bool | None, mask: Bool) -> Bool:
    return mask if alive is None else alive & mask
