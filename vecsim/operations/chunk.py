"""Outcomes of a run, gathered until they are committed together."""

from __future__ import annotations

import os
import time

from vecsim.errors import UsageError
from vecsim.index import Writer
from vecsim.operations.planning import Plan
from vecsim.records import AddReport, Embedded, Failure

# What one commit adds: at most this many images (VECSIM_CHUNK_IMAGES), after at most this many
# seconds. The work of one chunk is what a power failure can cost.
CHUNK_IMAGES = 4_096
CHUNK_SECONDS = 20.0


def chunk_images() -> int:
    """How many images one commit adds at most: `VECSIM_CHUNK_IMAGES`, else `CHUNK_IMAGES`."""
    text = os.environ.get("VECSIM_CHUNK_IMAGES") or str(CHUNK_IMAGES)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"VECSIM_CHUNK_IMAGES={text!r}: must be a whole number from 1 on.")
    return int(text)


class Chunk:
    """Outcomes on their way to the next commit."""

    def __init__(self, writer: Writer, plan: Plan, report: AddReport) -> None:
        self._writer = writer
        self._plan = plan
        self._report = report
        self._images: list[Embedded] = []
        self._failures: list[Failure] = []
        self._since = time.monotonic()
        self._limit = chunk_images()

    def take(self, outcome: Embedded | Failure) -> None:
        """Keep an outcome for the next commit."""
        if isinstance(outcome, Failure):
            self._failures.append(outcome)
            kinds = self._report.failures_by_kind
            kinds[outcome.kind] = kinds.get(outcome.kind, 0) + 1
            self._report.failed += 1
        else:
            self._images.append(outcome)
            self._report.added += 1

    def commit_if_due(self) -> None:
        """Commit if the chunk is full, or the last commit long ago."""
        full = len(self._images) + len(self._failures) >= self._limit
        if full or time.monotonic() - self._since > CHUNK_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Commit what there is."""
        images, failures = self._images, self._failures
        self._images, self._failures = [], []
        replaced = self._writer.commit(images, failures)
        self._report.replaced += replaced
        self._report.added -= replaced
        self._plan.settled(image.ref for image in images)
        self._plan.settled(failure.ref for failure in failures)
        self._since = time.monotonic()
