"""Sets aside what is damaged, keeps the rest, and records what must be fetched again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vecsim.catalog import Catalog, SegmentRow, ThumbnailStore, log_damage, log_of
from vecsim.catalog.salvage import salvage
from vecsim.errors import IndexDamagedError, IndexLockedError, StorageError, VecsimIndexError
from vecsim.index.layout import (
    IndexFolder,
    parse_segment_name,
    read_fingerprint,
    write_fingerprint,
)
from vecsim.index.lock import WriterLock, no_reader
from vecsim.index.sketches import SketchStore
from vecsim.index.verify import Problem, later_segments, segment_problems
from vecsim.records import Failure, Fingerprint, Int64
from vecsim.segments import Segment, checksum_of, open_segment, sync_folder, vectors_in

# The kind of failure of images that were in the index, until a file was damaged.
LOST = "lost"


@dataclass(slots=True)
class Repair:
    """What `repair` did.

    `problems`: what was damaged; where it is a file that was set aside, it is in `folder` now.
    `lost`: images whose vectors are gone; they are failures now, to be fetched again. `nameless`:
    vectors whose images are gone: they are dropped, since nobody can tell what they were of.
    `kept`: images that are in the index. `thumbnails_lost`: whether some lost their thumbnails.
    """

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    lost: int = 0
    nameless: int = 0
    kept: int = 0
    thumbnails_lost: bool = False


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
        alone = no_reader(folder.reader_lock)
        if alone is None:
            raise IndexLockedError(
                f"{path}: open for reading. Close what reads it, then repair it."
            )
        opened.enter_context(alone)
        done = Repair(_free_place(folder.damaged))
        try:
            _repair_catalog(folder, done)
            _repair_segments(folder, done)
            _repair_thumbnails(folder, done)
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


def _set_aside(file: Path, done: Repair) -> None:
    done.folder.mkdir(parents=True, exist_ok=True)
    file.rename(done.folder / file.name)
    sync_folder(done.folder)


def _memory_of(database: Path) -> Path:
    """What processes that have the database open share; it holds nothing of its own."""
    return Path(f"{database}-shm")


# -- the catalog -----------------------------------------------------------------------------------


def _repair_catalog(folder: IndexFolder, done: Repair) -> None:
    """Put a new catalog, made of what can be read, in the place of a damaged one."""
    damage = log_damage(folder.catalog)
    problems = [Problem(damage.file, damage.what)] if damage is not None else []
    fingerprint = None
    if not problems:
        problems, fingerprint = _doubt(folder)
    try:
        stored = read_fingerprint(folder)
    except FileNotFoundError:
        stored = fingerprint
    if problems:
        for scratch in folder.path.glob(".salvage-*"):
            shutil.rmtree(scratch)
        new = folder.path / "catalog.db.new"
        for left in (new, log_of(new), _memory_of(new)):
            left.unlink(missing_ok=True)
        try:
            salvage(folder.catalog, new)
            fingerprint = _complete(new, folder, stored)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        if log_of(new).exists():
            raise StorageError(f"{new}: could not be completed. Repair the index again.")
        # SQLite deletes it in closing the file, and says nothing where it cannot.
        _memory_of(new).unlink(missing_ok=True)
        done.folder.mkdir(parents=True, exist_ok=True)
        os.link(folder.catalog, done.folder / folder.catalog.name)
        for beside in (log_of(folder.catalog), _memory_of(folder.catalog)):
            if beside.exists():
                _set_aside(beside, done)
        new.rename(folder.catalog)
        sync_folder(folder.path)
    done.problems += problems
    if fingerprint is not None and stored != fingerprint:
        done.problems.append(Problem(folder.fingerprint, "not the fingerprint of the catalog"))
    if fingerprint is not None and (stored != fingerprint or not folder.fingerprint.exists()):
        write_fingerprint(folder, fingerprint)


def _doubt(folder: IndexFolder) -> tuple[list[Problem], Fingerprint | None]:
    """What is wrong with the catalog, and its fingerprint if nothing is."""
    try:
        catalog = Catalog.open(folder.catalog, write=True)
    except VecsimIndexError as error:
        return [Problem(folder.catalog, str(error))], None
    try:
        problems = [Problem(folder.catalog, text) for text in catalog.problems()]
        return problems, catalog.fingerprint
    except IndexDamagedError as error:
        return [Problem(folder.catalog, str(error))], None
    finally:
        catalog.close()


def _complete(new: Path, folder: IndexFolder, stored: Fingerprint | None) -> Fingerprint:
    """Give a salvaged catalog what it cannot be without."""
    catalog = Catalog.open(new, write=True)
    try:
        if catalog.setting("fingerprint") is None:
            if stored is None or not (catalog.images.all_keys() or catalog.failures.count()):
                raise IndexDamagedError(
                    f"{folder.catalog}: nothing can be read from it, and only it knew which image "
                    f"each vector is of. Restore it from a backup and repair again, or move the "
                    f"folder away and build the index again."
                )
            with catalog.transaction():
                catalog.set_fingerprint(stored)
        with catalog.transaction():
            if catalog.setting("field_names") is None:
                fields = (name for row in catalog.images.all() for name in row.ref.fields)
                catalog.remember_fields(dict.fromkeys(fields))
        return catalog.fingerprint
    finally:
        catalog.close()


# -- the segments ----------------------------------------------------------------------------------


def _repair_segments(folder: IndexFolder, done: Repair) -> None:
    """Keep each segment that is whole; make catalog and vectors agree."""
    catalog = Catalog.open(folder.catalog, write=True)
    try:
        folder.segments.mkdir(exist_ok=True)
        named = catalog.segments.all()
        dim = catalog.fingerprint.dim
        live = np.array(catalog.images.live_keys(), np.int64)
        everything = np.array(catalog.images.all_keys(), np.int64)
        kept: list[tuple[SegmentRow, Segment]] = []
        dropped: list[SegmentRow] = []
        for row in named:
            what, segment = _try(folder.segments / row.name, row, dim)
            if segment is not None and _overlaps(segment, kept):
                what = "its vectors are in another segment too"
            if what:
                done.problems.append(Problem(folder.segments / row.name, what))
                dropped.append(row)
            elif segment is not None:
                kept.append((row, segment))
        adopted = list(_adopt(folder, named, kept, live, dim))
        kept += adopted
        stored = np.concatenate([np.empty(0, np.int64), *(segment.keys for _, segment in kept)])
        lost = np.setdiff1d(live, stored).tolist()
        nameless = np.setdiff1d(stored, everything).tolist()
        for file in later_segments(folder, catalog.counter("generation"), named):
            done.problems.append(Problem(file, "of a commit that the catalog has lost"))
        files = list(filter(None, map(parse_segment_name, os.listdir(folder.segments))))
        if done.problems:
            # What a run that was interrupted left goes along: it may be of use to somebody.
            for file in list(folder.unnamed_segments({row.name for row, _ in kept})):
                _set_aside(file, done)
        sketches = SketchStore(folder.sketches)
        for row, _ in kept:
            for file in sketches.problems(row.name):
                done.problems.append(Problem(file, "a damaged sketch; it is made again"))
                sketches.drop(row.name)
        if dropped or adopted or lost or nameless:
            _commit(catalog, files, dropped, [row for row, _ in adopted], lost, nameless)
        done.lost, done.nameless = len(lost), len(nameless)
        done.kept = catalog.images.count()
    finally:
        catalog.close()


def _try(file: Path, row: SegmentRow, dim: int) -> tuple[str, Segment | None]:
    """What is wrong with a segment's file ("" for nothing), and the segment if it opened."""
    try:
        segment = open_segment(file, row.byte_count, row.vector_count, dim)
    except FileNotFoundError:
        return "missing", None
    except IndexDamagedError:
        return "damaged", None
    return next(segment_problems(row, segment), ""), segment


def _overlaps(segment: Segment, others: list[tuple[SegmentRow, Segment]]) -> bool:
    return any(len(np.intersect1d(segment.keys, other.keys)) for _, other in others)


def _adopt(
    folder: IndexFolder,
    named: list[SegmentRow],
    kept: list[tuple[SegmentRow, Segment]],
    live: Int64,
    dim: int,
) -> Iterator[tuple[SegmentRow, Segment]]:
    """Segments whose row is gone but whose images are there, newest generation first.

    Their checksum went with their row; that they are made of unit vectors under their own keys is
    all that can be checked.
    """
    files = []
    for file in folder.unnamed_segments({row.name for row in named}):
        parsed = parse_segment_name(file.name)
        if parsed is not None:
            files.append((parsed[2], parsed[0], parsed[1], file))
    found: list[tuple[SegmentRow, Segment]] = []
    for _, first, last, file in sorted(files, reverse=True):
        size = file.stat().st_size
        count = vectors_in(size, dim)
        row = SegmentRow(file.name, count, first, last, size, "")
        _, segment = _try(file, row, dim) if count else ("", None)
        if segment is None:
            continue
        row = SegmentRow(file.name, count, first, last, size, checksum_of(segment))
        wanted = np.intersect1d(segment.keys, live)
        if (
            len(wanted)
            and not any(segment_problems(row, segment))
            and not _overlaps(segment, kept + found)
        ):
            found.append((row, segment))
            yield row, segment


def _commit(
    catalog: Catalog,
    files: list[tuple[int, int, int]],
    dropped: list[SegmentRow],
    adopted: list[SegmentRow],
    lost: list[int],
    nameless: list[int],
) -> None:
    """One transaction: the segments that there are, lost images as failures."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    # Neither a generation nor a key of any file is given again.
    last = max((last for _, last, _ in files), default=0)
    newest = max((generation for _, _, generation in files), default=0)
    with catalog.transaction():
        catalog.advance("next_key", max(0, last + 1 - catalog.counter("next_key")))
        generation = catalog.advance(
            "generation", max(1, newest + 1 - catalog.counter("generation"))
        )
        catalog.segments.delete(row.name for row in dropped)
        for row in adopted:
            catalog.segments.insert(row, generation)
        refs = [row.ref for row in catalog.images.by_key(lost).values()]
        catalog.images.mark_removed((ref.id for ref in refs), generation)
        catalog.failures.insert(
            Failure(ref, LOST, "its vector was in a damaged file", attempts=0, last_try=now)
            for ref in refs
        )
        # A vector is left out of every search while a removed image stands for it.
        catalog.images.entomb(nameless, now, generation)


# -- the thumbnails --------------------------------------------------------------------------------


def _repair_thumbnails(folder: IndexFolder, done: Repair) -> None:
    """Drop those that are not what was written; all of them, where the file itself is damaged."""
    damage = log_damage(folder.thumbnails)
    if damage is not None:
        done.problems.append(Problem(damage.file, damage.what))
    store = ThumbnailStore(folder.thumbnails)
    try:
        broken, changed = store.doubt(write=True)
        if changed:
            what = f"{len(changed):,} of them were not what was written, and are dropped"
            done.problems.append(Problem(folder.thumbnails, what))
            store.remove(changed)
    finally:
        store.close()
    if broken:
        done.problems.append(Problem(folder.thumbnails, "damaged"))
        for file in (folder.thumbnails, log_of(folder.thumbnails)):
            if file.exists():
                _set_aside(file, done)
        _memory_of(folder.thumbnails).unlink(missing_ok=True)
    done.thumbnails_lost = bool(broken or changed or damage)
