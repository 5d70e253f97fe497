"""Sets aside what is damaged, keeps the rest, and records what must be fetched again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from vecsim.errors import IndexLockedError, StorageError
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import WriterLock, exclude_readers
from vecsim.index.repair.catalog import repair_catalog
from vecsim.index.repair.record import LOST, Repair
from vecsim.index.repair.segments import repair_segments
from vecsim.index.repair.thumbnails import repair_thumbnails

__all__ = ["LOST", "Repair", "repair"]


def repair(path: Path, *, wait: bool = False) -> Repair:
    """Make the index at `path` whole again without what is damaged, which goes to `damaged/`.

    The same again after an interruption carries on. Raises `IndexMissingError`,
    `IndexLockedError` (also while somebody reads), `StorageError`, and `IndexDamagedError` where
    nothing can be saved; then nothing was changed.
    """
    folder = IndexFolder(path)
    folder.require()
    with ExitStack() as opened:
        lock = WriterLock(folder.writer_lock, wait=wait)
        opened.callback(lock.release)
        alone = exclude_readers(folder.reader_lock)
        if alone is None:
            raise IndexLockedError(
                f"{path}: open for reading. Close what reads it, then repair it."
            )
        opened.enter_context(alone)
        done = Repair(_free_place(folder.damaged))
        try:
            repair_catalog(folder, done)
            repair_segments(folder, done)
            repair_thumbnails(folder, done)
        except OSError as error:
            raise StorageError(
                f"{error.filename or path}: cannot be written ({error.strerror}). Make room, or "
                f"give permission, and repair it again."
            ) from error
        return done


def _free_place(folder: Path) -> Path:
    number = 1
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)
