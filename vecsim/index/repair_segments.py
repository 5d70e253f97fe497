"""Keeps each segment that is sound, and makes the catalog and the vectors agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from vecsim.catalog import Catalog, SegmentRow
from vecsim.contained import ContainedPath
from vecsim.contained.names import parse_segment_name, sketch_names
from vecsim.errors import FailureKind, IndexDamagedError
from vecsim.index.layout import IndexFolder
from vecsim.index.orientation_store import OrientationStore
from vecsim.index.sketch_store import SketchStore
from vecsim.index.verify import Problem, later_segments, segment_problems
from vecsim.records import Failure, Int64
from vecsim.segments import Segment, open_segment, segment_sha256, vector_count_of_size


@dataclass(slots=True)
class Repair:
    """What `repair` did. All counts are images or vectors.

    `problems`: what was damaged; a file that was set aside is in `folder` now. `lost`: images whose
    vectors are gone; they are failures now, to be fetched again. `orphaned`: vectors whose rows are
    gone; they are dropped, since nothing tells which images they are of. `kept`: images that are
    still in the index. `thumbnails_lost`: whether some images lost their thumbnails.
    """

    folder: ContainedPath
    problems: list[Problem] = field(default_factory=list)
    lost: int = 0
    orphaned: int = 0
    kept: int = 0
    thumbnails_lost: bool = False


@dataclass(slots=True)
class _Segments:
    """The segments that `repair_segments` found: `kept` includes `adopted`."""

    kept: list[tuple[SegmentRow, Segment]] = field(default_factory=list)
    adopted: list[SegmentRow] = field(default_factory=list)
    dropped: list[SegmentRow] = field(default_factory=list)


def set_aside(file: ContainedPath, done: Repair) -> None:
    """Move a damaged file, or a link itself, to the folder of this repair, durably."""
    make_damaged_folder(done)
    target, number = done.folder / file.name, 1
    while target.exists():  # sketches have files of equal names
        number += 1
        target = done.folder / f"{file.name}.{number}"
    file.rename(target)
    done.folder.sync()


def make_damaged_folder(done: Repair) -> None:
    """Make the folder of this repair, unless there is one."""
    done.folder.parent.make_folder()
    done.folder.make_folder()


def repair_segments(folder: IndexFolder, done: Repair) -> None:
    """Keep each sound segment; make the catalog name these segments and their images only."""
    with closing(Catalog.open(folder.catalog, write=True)) as catalog:
        folder.segments.make_folder()
        named = catalog.segments.all()
        live = np.array(catalog.images.live_keys(), np.int64)
        segments = _sound_segments(folder, catalog, named, live, done)
        stored = np.concatenate(
            [np.empty(0, np.int64), *(segment.keys for _, segment in segments.kept)]
        )
        lost = np.setdiff1d(live, stored).tolist()
        with_row = np.array(catalog.images.all_keys(), np.int64)
        orphaned = np.setdiff1d(stored, with_row).tolist()
        for file in later_segments(folder, catalog.counter("generation"), named):
            done.problems.append(Problem(file.path, "of a commit that the catalog has lost"))
        names = [path.name for path in folder.segments.files()]
        files = list(filter(None, map(parse_segment_name, names)))
        kept_names = {row.name for row, _ in segments.kept}
        if done.problems:
            # Files that an interrupted run left are set aside too: they may be of use.
            for file in list(folder.unlisted_segments(kept_names)):
                set_aside(file, done)
        _repair_sketches(folder, kept_names, done)
        _repair_orientations(folder, catalog.fingerprint.dim, segments, done)
        if segments.dropped or segments.adopted or lost or orphaned:
            _commit(catalog, files, segments, lost, orphaned)
        done.lost, done.orphaned = len(lost), len(orphaned)
        done.kept = catalog.images.count()


def _sound_segments(
    folder: IndexFolder, catalog: Catalog, named: list[SegmentRow], live: Int64, done: Repair
) -> _Segments:
    found = _Segments()
    dim = catalog.fingerprint.dim
    for row in named:
        what, segment = _open_and_check(folder.segments / row.name, row, dim)
        if segment is not None and _overlaps(segment, found.kept):
            what = "its vectors are in another segment too"
        if what:
            done.problems.append(Problem((folder.segments / row.name).path, what))
            found.dropped.append(row)
        elif segment is not None:
            found.kept.append((row, segment))
    adopted = list(_adopt(folder, named, found.kept, live, dim))
    found.kept += adopted
    found.adopted = [row for row, _ in adopted]
    return found


def _repair_sketches(folder: IndexFolder, names: set[str], done: Repair) -> None:
    """Delete the damaged sketches of the segments called `names`; the next writer makes them."""
    sketches = SketchStore(folder.sketches)
    for name in (each for segment in sorted(names) for each in sketch_names(segment)):
        for file in list(sketches.problems(name)):
            done.problems.append(Problem(file.path, "a damaged sketch; it is made again"))
            sketches.drop(name)


def _repair_orientations(folder: IndexFolder, dim: int, segments: _Segments, done: Repair) -> None:
    """Set aside what is stored of turned pictures beside a segment, if any of it is damaged."""
    store = OrientationStore(folder.orientations, dim)
    for _, segment in segments.kept:
        problems = [Problem(file.path, what) for file, what in store.problems(segment)]
        if problems:
            done.problems += problems
            set_aside(store.folder_of(segment.name), done)


def _open_and_check(file: ContainedPath, row: SegmentRow, dim: int) -> tuple[str, Segment | None]:
    """Return what is wrong with a segment's file ("" for nothing), and the segment if it opened."""
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
    """Yield segments whose row is gone but whose images have rows, newest generation first.

    Their checksum was in the row. All that can be checked is that they contain unit vectors under
    the keys of their name.
    """
    files = []
    for file in folder.unlisted_segments({row.name for row in named}):
        parsed = parse_segment_name(file.name)
        if parsed is not None:
            files.append((parsed[2], parsed[0], parsed[1], file))
    found: list[tuple[SegmentRow, Segment]] = []
    for _, first, last, file in sorted(files, reverse=True):
        size = file.stat().st_size
        count = vector_count_of_size(size, dim)
        row = SegmentRow(file.name, count, first, last, size, "")
        _, segment = _open_and_check(file, row, dim) if count else ("", None)
        if segment is None:
            continue
        row = SegmentRow(file.name, count, first, last, size, segment_sha256(segment))
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
    segments: _Segments,
    lost: list[int],
    orphaned: list[int],
) -> None:
    """Update the rows of the segments, and make lost images failures, in one transaction.

    `files`: first key, last key and generation of each file in the folder of segments.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    # No generation and no key of any file is used again.
    last = max((last for _, last, _ in files), default=0)
    newest = max((generation for _, _, generation in files), default=0)
    with catalog.transaction():
        catalog.advance("next_key", max(0, last + 1 - catalog.counter("next_key")))
        generation = catalog.advance(
            "generation", max(1, newest + 1 - catalog.counter("generation"))
        )
        catalog.segments.delete(row.name for row in segments.dropped)
        for row in segments.adopted:
            catalog.segments.insert(row, generation)
        refs = [row.ref for row in catalog.images.by_key(lost).values()]
        catalog.images.mark_removed((ref.id for ref in refs), generation)
        catalog.failures.insert(
            Failure(
                ref,
                FailureKind.LOST,
                "its vector was in a damaged file",
                attempts=0,
                last_try=now,
            )
            for ref in refs
        )
        # A search leaves out vectors that have the row of a removed image.
        catalog.images.insert_tombstones(orphaned, now, generation)
