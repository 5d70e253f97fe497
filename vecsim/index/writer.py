"""The one process that changes an index: commits chunks, marks removals, compacts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from vecsim.catalog import Catalog, ImageRow, SegmentRow, ThumbnailStore, check_wal
from vecsim.errors import FingerprintError, IndexDamagedError
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import WriterLock, exclude_readers
from vecsim.index.orientation_store import Added, new_orientations
from vecsim.index.segment_files import SegmentFiles
from vecsim.records import Embedded, Failure, Int64
from vecsim.segments import Segment

log = logging.getLogger(__name__)

_NO_ORIGINS: Mapping[str, ImageRow] = {}


class Writer:
    """Holds the writer's lock of one index from construction to `close`."""

    def __init__(self, path: Path, *, wait: bool | float = False) -> None:
        """Open the index for writing and delete what an interrupted run left.

        Raises `IndexMissingError`, `IndexLockedError` (unless `wait`), `IndexDamagedError`,
        `StorageError`.
        """
        self.folder = IndexFolder(path)
        self.folder.require()
        with ExitStack() as opened:
            lock = WriterLock(self.folder.writer_lock, wait=wait)
            opened.callback(lock.release)
            damage = check_wal(self.folder.catalog)
            if damage is not None and damage.certain:
                raise IndexDamagedError(
                    f"{damage.file}: {damage.what}.", hint=Hint(Action.REPAIR_INDEX, path=path)
                )
            self.catalog = Catalog.open(self.folder.catalog, write=True)
            opened.callback(self.catalog.close)
            self.thumbnails = ThumbnailStore(self.folder.thumbnails)
            opened.callback(self.thumbnails.close)
            self.fingerprint = self.catalog.fingerprint
            self._files = SegmentFiles(self.folder, self.catalog, self.fingerprint.dim)
            self._resources = opened.pop_all()

    def close(self) -> None:
        """Close the files and release the lock."""
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

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The committed segments, open; safe to read from other threads."""
        return self._files.open_now

    def commit(
        self,
        images: Sequence[Embedded],
        failures: Sequence[Failure] = (),
        unchanged: Sequence[ImageRow] = (),
        missing: Sequence[ImageRow] = (),
        origins: Mapping[str, ImageRow] = _NO_ORIGINS,
    ) -> int:
        """Add images (with unit vectors) and failures, all or nothing; durable when it returns.

        A live image with the same id is replaced; returns how many were. `unchanged`: live images
        with newer facts of the download and the same bytes. `missing`: live images that are gone.
        `origins`: by id, the live image that an added one continues under another id or URL: its
        `added_at` is kept, and its id goes.
        Raises `FingerprintError` (vectors of another length), `StorageError`.
        """
        if not images and not failures and not unchanged and not missing:
            return 0
        keys = np.arange(len(images)) + self.catalog.counter("next_key")
        row = self._write_vectors(keys, images) if images else None
        now = self.next_moment()
        added_at = {id_: origin.added_at for id_, origin in origins.items()}
        moved = [row.ref.id for id_, row in origins.items() if row.ref.id != id_]
        added = [
            ImageRow(key, image.ref, image.facts, added_at.get(image.ref.id, now))
            for key, image in zip(keys.tolist(), images, strict=True)
        ]
        with self.catalog.transaction():
            generation = self.catalog.advance("generation")
            self.catalog.advance("next_key", len(images))
            if row is not None:
                self.catalog.segments.insert(row, generation)
            replaced = self.catalog.images.insert(added, generation)
            self.catalog.images.update_facts((row.key, row.facts) for row in unchanged)
            self.catalog.images.mark_missing((row.key for row in missing), now)
            self.catalog.failures.delete(image.ref.id for image in images)
            self.catalog.failures.delete(row.ref.id for row in unchanged)
            self.catalog.failures.insert(failures)
            self._remove(moved, generation)
            self.catalog.sources.claim_refs([i.ref for i in images] + [f.ref for f in failures])
            self.catalog.add_field_names(name for image in images for name in image.ref.fields)
        if row is not None:
            self._files.adopt(row)
        if replaced or moved:
            self._files.drop_removed()
        return replaced

    def _write_vectors(self, keys: Int64, images: Sequence[Embedded]) -> SegmentRow:
        """Write the segment and the thumbnails of `images`; the catalog does not list them yet."""
        vectors = np.stack([image.vector for image in images])
        if vectors.shape[1] != self.fingerprint.dim:
            raise FingerprintError(
                f"{self.folder.path}: holds vectors of {self.fingerprint}, not of "
                f"{vectors.shape[1]} dimensions."
            )
        turned = {key: image.turned for key, image in zip(keys.tolist(), images, strict=True)}
        row = self._files.write(keys, len(images), [(keys, vectors)], new_orientations(turned))
        pairs = zip(keys.tolist(), images, strict=True)
        thumbnails = {key: image.thumbnail for key, image in pairs if image.thumbnail}
        self.thumbnails.put(thumbnails, fresh_from=int(keys[0]))
        return row

    def add_turned(self, turned: Added) -> None:
        """Store vectors of images in further orientations: by key, then by orientation.

        Those of one segment appear together. Images that are no longer there are left out.
        """
        self._files.add_turned(turned)

    def next_moment(self) -> str:
        """Return the time at which images are added now: UTC, ISO 8601.

        Never before that of earlier images, even after a clock was set back: otherwise a search for
        pairs since a moment could miss some.
        """
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        return max(now, self.catalog.images.newest_added_at())

    def mark_missing(self, gone: Sequence[int], present: Sequence[int]) -> None:
        """Note which live images, by key, are gone, and which are there again."""
        if not gone and not present:
            return
        with self.catalog.transaction():
            self.catalog.advance("generation")
            self.catalog.images.mark_missing(gone, self.next_moment())
            self.catalog.images.mark_present(present)

    def remove(self, ids: Iterable[str]) -> int:
        """Mark images as removed and delete failures of these ids; returns how many there were.

        A later merge drops the vectors.
        """
        with self.catalog.transaction():
            removed = self._remove(list(ids), self.catalog.advance("generation"))
        self._files.drop_removed()
        return removed

    def _remove(self, ids: Sequence[str], generation: int) -> int:
        """Mark images as removed, with their failures and owners. Inside a transaction."""
        # An image that failed in a refresh is in both tables, and counts once.
        kept = set(self.catalog.images.by_id(ids))
        removed = self.catalog.images.mark_removed(ids, generation)
        removed += sum(self.catalog.failures.delete([i]) for i in ids if i not in kept)
        self.catalog.failures.delete(kept)
        self.catalog.sources.release_all(ids)
        return removed

    def compact(self) -> None:
        """Merge segments, drop removed vectors and, if there is no reader, their rows too."""
        self._files.compact()
        lock = exclude_readers(self.folder.reader_lock)
        if lock is None:
            log.warning("rows of removed images are kept for now: the index is open for reading")
            return
        with lock:
            # Thumbnails first: without the rows it would not be known that they can be deleted.
            self.thumbnails.remove(self.catalog.images.removed_keys())
            with self.catalog.transaction():
                self.catalog.images.delete_removed()
            self.catalog.vacuum()
