"""Makes missing thumbnails of an index: images are fetched and decoded again, not embedded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import FailureKind
from vecsim.index.writer import Writer
from vecsim.operations.requests import RunOptions
from vecsim.protocols import Preparation
from vecsim.records import AddReport, Embedded, Failure, Fingerprint, Float32, ImageRef, UInt8

_BATCH = 500

# A URL may return another picture by now, whose thumbnail would be wrong.
_CHANGED = "the picture at this URL is not the one that was indexed"


@dataclass(slots=True)
class FetchedThumbnails:
    """Thumbnails `added`, and `failures`: images that stay without one.

    `without_url`: images that have no URL, such as imported vectors.
    """

    added: int = 0
    without_url: int = 0
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False


class _NoModel:
    """Takes the place of a model in a pipeline that only fetches and decodes."""

    fingerprint = Fingerprint("none", "", "", 1)
    preparation = Preparation(8, "nearest")
    threshold = 1.0

    def embed(self, pixels: UInt8) -> Float32:
        return np.ones((len(pixels), 1), np.float32)


def fetch_thumbnails(path: Path, options: RunOptions) -> FetchedThumbnails:
    """Fetch each image without a thumbnail again, and store one.

    A picture whose bytes are no longer those that were indexed is left out, as a failure.
    `options.progress` is called with the counts so far. What was fetched is kept when
    `options.stop` is set.
    """
    done = FetchedThumbnails()
    made: dict[int, bytes] = {}
    with Writer(path, wait=options.wait) as writer:
        missing: dict[str, ImageRow] = {}

        def refs() -> Iterator[ImageRef]:
            for row in _rows_without(writer):
                if not row.ref.url:
                    done.without_url += 1
                    continue
                missing[row.ref.id] = row
                yield row.ref

        def keep() -> None:
            writer.thumbnails.put(made)
            done.added += len(made)
            made.clear()

        with options.working():
            try:
                with local_pipeline(_NoModel(), options.work, thumbnails=True) as pipeline:
                    for outcome in pipeline.run(refs(), options.stop):
                        if outcome is not None:
                            row = missing.pop(outcome.ref.id)
                            _take(outcome, row, made, done)
                        if len(made) >= _BATCH:
                            keep()
                        counts = AddReport(added=done.added + len(made), failed=len(done.failures))
                        options.progress(counts)
            finally:
                keep()
    done.interrupted = options.stopped
    return done


def _take(
    outcome: Embedded | Failure, row: ImageRow, made: dict[int, bytes], done: FetchedThumbnails
) -> None:
    if isinstance(outcome, Failure):
        done.failures.append(outcome)
    elif row.facts.sha256 not in ("", outcome.facts.sha256):
        done.failures.append(Failure(row.ref, FailureKind.CHANGED, _CHANGED))
    elif outcome.thumbnail:
        made[row.key] = outcome.thumbnail
    else:
        done.failures.append(
            Failure(row.ref, FailureKind.DAMAGED, "no thumbnail can be made of it")
        )


def _rows_without(writer: Writer) -> Iterator[ImageRow]:
    """Yield the rows of images without a thumbnail, in the order of their keys."""
    batch: list[ImageRow] = []

    def lacking() -> list[ImageRow]:
        have = writer.thumbnails.keys(row.key for row in batch)
        return [row for row in batch if row.key not in have]

    for row in writer.catalog.images.all():
        batch.append(row)
        if len(batch) == _BATCH:
            yield from lacking()
            batch.clear()
    yield from lacking()
