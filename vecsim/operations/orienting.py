"""Orientations that an index stores: its setting, images that lack some, adding those."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vecsim.catalog import Catalog, ImageRow
from vecsim.engines.engine import Job, open_engine
from vecsim.errors import UsageError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.operations.index_settings import load_index_model, stored_weights
from vecsim.operations.requests import RunOptions
from vecsim.orientations import SETTINGS, codes_of, covering
from vecsim.records import AddReport, Embedded, Failure, Float32, ImageRef, Int64
from vecsim.segments import Segment

if TYPE_CHECKING:
    from vecsim.index.writer import Writer

SETTING = "orientations"
"""The setting of an index that says in which orientations its images are stored."""

_BATCH = 500

# Adding orientations rewrites segments: after so many seconds, or ten times what the last rewriting
# took, and before so many bytes of vectors wait in memory.
_SECONDS = 20.0
_REWRITING_SHARE = 10
_BYTES = 64 << 20


def stored_setting(index: Snapshot | Catalog) -> str:
    """Return in which orientations the images of an index are stored; "none" by default."""
    setting = index.setting(SETTING) or "none"
    return setting if setting in SETTINGS else "none"


def store_setting(writer: Writer, wanted: str | None) -> None:
    """Store in which orientations images are stored from now on; None changes nothing.

    An index that stores some already gets the smallest setting that has these too; "none" ends it.
    """
    if wanted is None:
        return
    both = {*codes_of(wanted), *codes_of(stored_setting(writer.catalog))}
    setting = covering(both) if wanted != "none" else "none"
    if setting != stored_setting(writer.catalog):
        with writer.catalog.transaction():
            writer.catalog.set_setting(SETTING, setting)


def lacking(segments: Sequence[Segment], keys: Int64, codes: Sequence[int]) -> Int64:
    """Return those of `keys` (ascending) without a stored vector in each orientation of `codes`."""
    if len(codes) == 1:
        return np.empty(0, np.int64)
    having = keys
    for code in codes[1:]:
        complete = [segment.turned[code].keys for segment in segments if code in segment.turned]
        with_code = np.concatenate([np.empty(0, np.int64), *complete])
        having = np.intersect1d(having, with_code)
    return np.setdiff1d(keys, having)


def check_stored(snapshot: Snapshot, setting: str) -> int:
    """Check that an index stores the orientations of `setting`; return how many images lack some.

    Raises `UsageError` if one of them is stored of no image, unless there is no image.
    """
    codes = codes_of(setting)
    if len(codes) == 1:
        return 0  # as they are: every image is stored so
    counts = snapshot.turned_counts()
    if snapshot.count and any(code not in counts for code in codes[1:]):
        raise UsageError(
            f"{snapshot.folder.path}: its images are not stored in the orientations {setting!r}.",
            hint=Hint(Action.ADD_ORIENTATIONS, path=snapshot.folder.path, setting=setting),
        )
    return len(lacking(snapshot.segments, snapshot.keys(), codes))


def complete_orientations(writer: Writer, options: RunOptions, report: AddReport) -> None:
    """Load images that lack orientations of the index's setting again, and store these.

    A picture whose bytes are no longer those that were indexed is left as it is. Counts both in
    `report`. What was made is kept when `options.stop` is set, and after an error.
    """
    codes = codes_of(stored_setting(writer.catalog))
    live = np.array(writer.catalog.images.live_keys(), np.int64)
    keys = lacking(writer.segments, live, codes)
    waiting: dict[str, ImageRow] = {}

    def refs() -> Iterator[ImageRef]:
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH].tolist()
            for row in writer.catalog.images.by_key(some).values():
                if row.ref.url and row.facts.sha256:
                    waiting[row.ref.id] = row
                    yield row.ref

    source = refs()
    first = next(source, None)
    if first is None or options.stopped:
        return

    def all_refs() -> Iterator[ImageRef]:
        yield first
        yield from source

    embedder = load_index_model(writer.folder.path, writer.catalog, options.model, options.work)
    weights = options.model.weights or stored_weights(writer.catalog)
    job = Job(
        embedder,
        weights,
        options.work,
        find_embedding=lambda sha256: None,
        find_facts=lambda ref: None,
        thumbnails=False,
        orientations=codes,
    )
    buffer = _Buffer(writer, len(codes) * embedder.fingerprint.dim * 4)
    with options.working():
        try:
            with open_engine(options.work.engine).embedding(job) as outcomes:
                for outcome in outcomes.run(all_refs(), options.stop):
                    if outcome is not None:
                        buffer.take(outcome, waiting.pop(outcome.ref.id), report)
                    buffer.store_if_due()
                    options.progress(report)
        finally:
            buffer.store()
    report.interrupted = report.interrupted or options.stopped


class _Buffer:
    """Vectors that wait to be stored, by key and orientation."""

    def __init__(self, writer: Writer, bytes_each: int) -> None:
        self._writer = writer
        self._bytes_each = bytes_each
        self._turned: dict[int, dict[int, Float32]] = {}
        self._since = time.monotonic()
        self._wait = _SECONDS

    def take(self, outcome: Embedded | Failure, row: ImageRow, report: AddReport) -> None:
        """Keep the vectors of an outcome for `row`, if its picture is still the same."""
        if isinstance(outcome, Embedded) and outcome.facts.sha256 == row.facts.sha256:
            self._turned[row.key] = dict(outcome.turned)
            report.turned += 1
        else:
            report.not_turned += 1

    def store_if_due(self) -> None:
        """Store what waits if it is much, or has waited for long."""
        waited = time.monotonic() - self._since
        if waited > self._wait or len(self._turned) * self._bytes_each > _BYTES:
            self.store()

    def store(self) -> None:
        """Store what waits."""
        started = time.monotonic()
        turned, self._turned = self._turned, {}
        if turned:
            self._writer.add_turned(turned)
        self._since = time.monotonic()
        self._wait = max(_SECONDS, _REWRITING_SHARE * (self._since - started))
