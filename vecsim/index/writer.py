"""The one process that changes an index: commits chunks, marks removals, merges segments."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from vecsim.catalog import Catalog, ImageRow, SegmentRow, ThumbnailStore, log_damage
from vecsim.errors import FingerprintError, IndexDamagedError, StorageError
from vecsim.index.layout import IndexFolder, segment_name
from vecsim.index.locks import WriterLock, exclude_readers
from vecsim.index.merge_policy import run_to_merge, runs_to_compact
from vecsim.index.sketch_store import SketchStore
from vecsim.index.verify import later_segments
from vecsim.records import Embedded, Failure, Float32, Int64
from vecsim.segments import Segment, open_segment, write_segment

log = logging.getLogger(__name__)

# Rows copied at a time when segments are merged: a few megabytes, whatever the index's size.
_MERGE_ROWS = 4096

# A segment is rewritten once more than this share of it is removed.
_DEAD_SHARE = 0.5


class Writer:
    """Holds the lock of one index from construction to `close`."""

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        """Open for writing and sweep up what an interrupted run left.

        Raises `IndexMissingError`, `IndexLockedError` (unless `wait`), `IndexDamagedError`,
        `StorageError`.
        """
        self.folder = IndexFolder(path)
        self.folder.require()
        with ExitStack() as opened:
            lock = WriterLock(self.folder.writer_lock, wait=wait)
            opened.callback(lock.release)
            damage = log_damage(self.folder.catalog)
            if damage is not None and damage.certain:
                raise IndexDamagedError(f"{damage.file}: {damage.what}. {self._advice}")
            self.catalog = Catalog.open(self.folder.catalog, write=True)
            opened.callback(self.catalog.close)
            self.thumbnails = ThumbnailStore(self.folder.thumbnails)
            opened.callback(self.thumbnails.close)
            self.fingerprint = self.catalog.fingerprint
            self._rows = self.catalog.segments.all()
            self._sketches = SketchStore(self.folder.sketches)
            self._sweep()
            self._segments = [self._open(row) for row in self._rows]
            self._resources = opened.pop_all()

    @property
    def _advice(self) -> str:
        return f"Save what can be saved with: vecsim repair {self.folder.path}"

    def close(self) -> None:
        """Let the next writer in."""
        self._resources.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sweep(self) -> None:
        """Unlink files that no row names."""
        later = later_segments(self.folder, self.catalog.counter("generation"), self._rows)
        if later:
            raise IndexDamagedError(
                f"{self.folder.catalog}: older than its segments ({later[0].name} is of a commit "
                f"that it does not know): it lost its log, or is an old copy. {self._advice}"
            )
        named = {row.name for row in self._rows}
        self._sketches.sweep(named)
        try:
            # A copy made by git lacks the folder while it is empty.
            self.folder.segments.mkdir(exist_ok=True)
            for path in self.folder.unlisted_segments(named):
                log.info("removing %s, left by an interrupted run", path)
                path.unlink()
        except OSError as error:
            raise StorageError(
                f"{self.folder.segments}: cannot be written ({error.strerror})."
            ) from error

    def _open(self, row: SegmentRow) -> Segment:
        path = self.folder.segments / row.name
        try:
            return open_segment(path, row.byte_count, row.vector_count, self.fingerprint.dim)
        except FileNotFoundError as error:
            raise IndexDamagedError(
                f"{path}: missing, though the catalog names it. Restore it from a backup, or go "
                f"on without it: vecsim repair {self.folder.path}"
            ) from error

    # -- adding --------------------------------------------------------------------------------

    def commit(
        self,
        images: Sequence[Embedded],
        failures: Sequence[Failure] = (),
        unchanged: Sequence[ImageRow] = (),
    ) -> int:
        """Add images (their vectors already of unit length) and failures: all or nothing.

        A live image of the same id is replaced; returns how many were. `unchanged`: live images
        whose facts are newer than stored and whose bytes are the same. Durable when this returns.
        """
        if not images and not failures and not unchanged:
            return 0
        keys = np.arange(len(images)) + self.catalog.counter("next_key")
        row = None
        if images:
            vectors = np.stack([image.vector for image in images])
            if vectors.shape[1] != self.fingerprint.dim:
                raise FingerprintError(
                    f"{self.folder.path}: holds vectors of {self.fingerprint}, not of "
                    f"{vectors.shape[1]} dimensions."
                )
            row = self._write(keys, len(images), [(keys, vectors)])
            pairs = zip(keys.tolist(), images, strict=True)
            pictures = {key: image.thumbnail for key, image in pairs if image.thumbnail}
            self.thumbnails.put(pictures, fresh_from=int(keys[0]))
        # Later images never look earlier, even where a clock was set back: --since misses none.
        now = max(
            datetime.now(UTC).isoformat(timespec="microseconds"),
            self.catalog.images.newest_added_at(),
        )
        with self.catalog.transaction():
            generation = self.catalog.advance("generation")
            self.catalog.advance("next_key", len(images))
            if row is not None:
                self.catalog.segments.insert(row, generation)
            replaced = self.catalog.images.insert(
                (
                    ImageRow(key, image.ref, image.facts, now)
                    for key, image in zip(keys.tolist(), images, strict=True)
                ),
                generation,
            )
            self.catalog.images.renew((row.key, row.facts) for row in unchanged)
            self.catalog.failures.delete(image.ref.id for image in images)
            self.catalog.failures.delete(row.ref.id for row in unchanged)
            self.catalog.failures.insert(failures)
            self.catalog.remember_fields(name for image in images for name in image.ref.fields)
        if row is not None:
            self._adopt(row)
            self._merge_if_due()
        if replaced:
            self._drop_removed()
        return replaced

    def _write(self, keys: Int64, count: int, parts: Iterable[tuple[Int64, Float32]]) -> SegmentRow:
        """Write a segment file that no row names yet. `keys`: at least its first and last."""
        first, last = int(keys[0]), int(keys[-1])
        generation = self.catalog.counter("generation") + 1
        name = segment_name(first, last, generation)
        path = self.folder.segments / name
        size, checksum = write_segment(path, self.fingerprint.dim, count, parts)
        return SegmentRow(name, count, first, last, size, checksum)

    def _adopt(self, row: SegmentRow) -> None:
        self._rows.append(row)
        self._segments.append(self._open(row))
        self._sketches.store(self._segments[-1])

    # -- removing ------------------------------------------------------------------------------

    def remove(self, ids: Iterable[str]) -> int:
        """Mark images as removed and forget failures of these ids; returns how many there were.

        Their vectors are dropped by a later merge.
        """
        ids = list(ids)
        with self.catalog.transaction():
            generation = self.catalog.advance("generation")
            # An image that failed in a refresh is in both tables, and counts once.
            kept = set(self.catalog.images.by_id(ids))
            removed = self.catalog.images.mark_removed(ids, generation)
            removed += sum(self.catalog.failures.delete([i]) for i in ids if i not in kept)
            self.catalog.failures.delete(kept)
        self._drop_removed()
        return removed

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is committed so far, open; safe to read from other threads."""
        return tuple(self._segments)

    # -- merging -------------------------------------------------------------------------------

    def _merge_if_due(self) -> None:
        start = run_to_merge([row.vector_count for row in self._rows])
        if start is not None:
            self._rewrite(start, len(self._rows))

    def _drop_removed(self) -> None:
        """Rewrite segments of which the greater part is removed."""
        removed = self._removed()
        for position in range(len(self._rows) - 1, -1, -1):
            segment = self._segments[position]
            if len(segment.rows_of(removed)[1]) > _DEAD_SHARE * len(segment):
                self._rewrite(position, position + 1)

    def compact(self) -> None:
        """Merge all that fits together, drop removed vectors and, if nobody reads, their rows."""
        removed = self._removed()
        dead = [len(segment.rows_of(removed)[1]) for segment in self._segments]
        sizes = [len(s) - d for s, d in zip(self._segments, dead, strict=True)]
        for start, end in reversed(runs_to_compact(sizes)):
            if end - start > 1 or dead[start]:
                self._rewrite(start, end)
        for segment in self._segments:
            self._sketches.store(segment)
        alone = exclude_readers(self.folder.reader_lock)
        if alone is None:
            log.warning("rows of removed images are kept for now: the index is open for reading")
            return
        with alone:
            # First the pictures: without their rows nobody would know that they may go.
            self.thumbnails.remove(self.catalog.images.removed_keys())
            with self.catalog.transaction():
                self.catalog.images.prune_removed()
            self.catalog.vacuum()

    def _removed(self) -> Int64:
        return np.array(sorted(self.catalog.images.removed_keys()), np.int64)

    def _rewrite(self, start: int, end: int) -> None:
        """Put one segment, without what was removed, in the place of those from start to end."""
        removed = self._removed()
        old, segments = self._rows[start:end], self._segments[start:end]
        living = [_living_rows(segment, removed) for segment in segments]
        kept = [segment.keys[rows] for segment, rows in zip(segments, living, strict=True)]
        keys = np.concatenate(kept)
        new = []
        if len(keys):
            new.append(self._write(keys, len(keys), self._read(old, living)))
        with self.catalog.transaction():
            generation = self.catalog.advance("generation")
            self.catalog.segments.delete(row.name for row in old)
            for row in new:
                self.catalog.segments.insert(row, generation)
        # Readers of an older generation hold these files open; the names may go.
        for row in old:
            with suppress(OSError):  # the next writer sweeps it up
                (self.folder.segments / row.name).unlink()
        self._rows[start:end] = new
        self._segments[start:end] = [self._open(row) for row in new]
        for segment in self._segments[start : start + len(new)]:
            self._sketches.store(segment)
        self._sketches.sweep(row.name for row in self._rows)

    def _read(
        self, rows: Sequence[SegmentRow], living: Sequence[Int64]
    ) -> Iterator[tuple[Int64, Float32]]:
        """Living keys and vectors of segments, a few thousand at a time.

        Each part is mapped anew, so that pages already copied do not stay resident.
        """
        for row, positions in zip(rows, living, strict=True):
            for start in range(0, len(positions), _MERGE_ROWS):
                part = positions[start : start + _MERGE_ROWS]
                segment = self._open(row)
                yield segment.keys[part], segment.vectors[part]


def _living_rows(segment: Segment, removed: Int64) -> Int64:
    alive = np.ones(len(segment), bool)
    alive[segment.rows_of(removed)[1]] = False
    return np.flatnonzero(alive)
