"""The kept indexes of sources: the hidden folder that they are in, a list of them, deleting one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecsim.contained import total_size
from vecsim.errors import IndexLockedError, StorageError, UsageError, VecsimIndexError
from vecsim.index import IndexFolder, Snapshot
from vecsim.index.locks import WriterLock, exclude_readers
from vecsim.operations.index_settings import stored_threshold
from vecsim.operations.kept_folder import cache_folder


@dataclass(frozen=True, slots=True)
class CachedIndex:
    """The index of a source that was given to a match.

    `source`: the path of the list or folder; empty where it is not known. `images`: those listed.
    `used_at`: when it was last brought up to date (UTC, ISO 8601), or empty. `threshold`: its
    calibrated threshold. `decisions`: how many decisions about pairs it holds. `damage`: why it
    cannot be opened, or empty.
    """

    path: Path
    source: str = ""
    model: str = ""
    images: int = 0
    byte_count: int = 0
    used_at: str = ""
    threshold: float | None = None
    decisions: int = 0
    damage: str = ""

    @property
    def holds_work(self) -> bool:
        """Whether it holds what only a person can make again."""
        return self.threshold is not None or self.decisions > 0

    @property
    def is_orphan(self) -> bool:
        """Whether its source is not there any more, or not known."""
        return not self.source or not Path(self.source).exists()


def kept_index(place: Path) -> Path:
    """Return the kept index of the list or folder at `place`; without one, `place` itself.

    Raises `UsageError` if there are several, of several models or ways to read it.
    """
    if IndexFolder(place).exists() or not place.exists():
        return place
    real = os.path.realpath(place)
    found = [each.path for each in cached_indexes() if os.path.realpath(each.source) == real]
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise UsageError(f"{place}: several indexes were made of it, name one of them: {names}.")
    return found[0] if found else place


def cached_indexes() -> Iterator[CachedIndex]:
    """Yield the indexes of sources, by name."""
    folder = cache_folder()
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if IndexFolder(path).exists():
            yield _describe(path)


def _describe(path: Path) -> CachedIndex:
    size = total_size(path)
    try:
        with Snapshot(path) as snapshot:
            sources = snapshot.catalog.sources.all()
            newest = max(sources, key=lambda row: row.synced_at, default=None)
            return CachedIndex(
                path,
                newest.place if newest is not None else "",
                snapshot.fingerprint.model,
                snapshot.count,
                size,
                newest.synced_at if newest is not None else "",
                stored_threshold(snapshot),
                snapshot.catalog.count_rows("decisions"),
            )
    except (VecsimIndexError, StorageError) as error:
        return CachedIndex(path, byte_count=size, damage=error.message)


def delete_cached(index: CachedIndex) -> None:
    """Delete the index of a source. Raises `IndexLockedError` while it is used, `StorageError`."""
    folder = IndexFolder(index.path)
    lock = WriterLock(folder.writer_lock, wait=False)
    try:
        alone = exclude_readers(folder.reader_lock)
        if alone is None:
            raise IndexLockedError(f"{index.path}: open for reading.")
        with alone:
            # Under another name first: no command finds a half of it.
            hidden = index.path.with_name(f".{index.path.name}.deleted")
            index.path.rename(hidden)
            shutil.rmtree(hidden)
    except OSError as error:
        raise StorageError(f"{index.path}: cannot be deleted ({error.strerror}).") from error
    finally:
        lock.release()
