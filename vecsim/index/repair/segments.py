"""Keeps each segment that is whole, and makes the catalog and the vectors agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vecsim.catalog import Catalog, SegmentRow
from vecsim.errors import IndexDamagedError
from vecsim.index.layout import IndexFolder, parse_segment_name
from vecsim.index.repair.record import LOST, Repair, set_aside
from vecsim.index.sketch_store import SketchStore
from vecsim.index.verify import Problem, later_segments, segment_problems
from vecsim.records import Failure, Int64
from vecsim.segments import Segment, open_segment, segment_sha256, vector_count_of_size


def repair_segments(folder: IndexFolder, done: Repair) -> None:
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
            for file in list(folder.unlisted_segments({row.name for row, _ in kept})):
                set_aside(file, done)
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
    for file in folder.unlisted_segments({row.name for row in named}):
        parsed = parse_segment_name(file.name)
        if parsed is not None:
            files.append((parsed[2], parsed[0], parsed[1], file))
    found: list[tuple[SegmentRow, Segment]] = []
    for _, first, last, file in sorted(files, reverse=True):
        size = file.stat().st_size
        count = vector_count_of_size(size, dim)
        row = SegmentRow(file.name, count, first, last, size, "")
        _, segment = _try(file, row, dim) if count else ("", None)
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
