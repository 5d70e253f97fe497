"""What a run has done and not yet committed: the outcomes of the next commit, counted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from vecsim.catalog import ImageRow
from vecsim.errors import UsageError
from vecsim.index.writer import Writer
from vecsim.records import AddReport, Embedded, Failure, ImageFacts, ImageRef

# What one commit adds: at most this many images (VECSIM_CHUNK_IMAGES), after at most this many
# seconds. The work of one chunk is what a power failure can cost.
CHUNK_IMAGES = 4_096
CHUNK_SECONDS = 20.0

# Hosts whose failures are counted each by its name.
_MOST_HOSTS = 10_000


def chunk_images() -> int:
    """How many images one commit adds at most: `VECSIM_CHUNK_IMAGES`, else `CHUNK_IMAGES`."""
    text = os.environ.get("VECSIM_CHUNK_IMAGES") or str(CHUNK_IMAGES)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"VECSIM_CHUNK_IMAGES={text!r}: must be a whole number from 1 on.")
    return int(text)


class Chunk:
    """Outcomes on their way to the next commit of `writer`, counted in `report`."""

    def __init__(
        self,
        writer: Writer,
        report: AddReport,
        on_commit: Callable[[Iterable[ImageRef]], None] = lambda refs: None,
    ) -> None:
        """`on_commit` is called with the references of each commit."""
        self.writer = writer
        self.report = report
        self._on_commit = on_commit
        self._images: list[Embedded] = []
        self._failures: list[Failure] = []
        self._unchanged: list[ImageRow] = []
        # Images that are in the index already and are asked for again, by id.
        self._checked: dict[str, ImageRow] = {}
        self._since = time.monotonic()
        self._limit = chunk_images()

    def check(self, row: ImageRow) -> ImageRef:
        """Expect an outcome for an image that is in the index; returns its reference."""
        self._checked[row.ref.id] = row
        return row.ref

    def stored_facts(self, ref: ImageRef) -> ImageFacts | None:
        """What is known of the bytes of an image that is being checked."""
        row = self._checked.get(ref.id)
        return row.facts if row is not None and row.facts.sha256 else None

    def take(self, outcome: Embedded | Failure) -> None:
        """Count an outcome and keep it for the next commit."""
        row = self._checked.pop(outcome.ref.id, None)
        if isinstance(outcome, Failure):
            self._failures.append(outcome)
            count_failure(self.report, outcome)
        elif row is not None and outcome.facts.sha256 == row.facts.sha256:
            self._unchanged.append(replace(row, facts=outcome.facts))
            self.report.unchanged += 1
        else:
            self._images.append(outcome)
            self.report.added += 1
            self.report.warned += bool(outcome.facts.warnings)

    def count_reused(self) -> None:
        """Note that a vector was found by its bytes; what is being checked is no news."""
        if not self._checked:
            self.report.reused += 1

    def commit_if_due(self) -> None:
        """Commit if there is enough, or if the last commit is long ago."""
        count = len(self._images) + len(self._failures) + len(self._unchanged)
        if count >= self._limit or time.monotonic() - self._since > CHUNK_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Commit what there is."""
        images, failures, unchanged = self._images, self._failures, self._unchanged
        self._images, self._failures, self._unchanged = [], [], []
        try:
            replaced = self.writer.commit(images, failures, unchanged)
        except BaseException:
            # What is not sure to be kept does not count as done.
            self.report.added -= len(images)
            self.report.failed -= len(failures)
            self.report.unchanged -= len(unchanged)
            raise
        self.report.replaced += replaced
        self.report.added -= replaced
        self._on_commit(image.ref for image in images)
        self._on_commit(failure.ref for failure in failures)
        self._since = time.monotonic()


def count_failure(report: AddReport, failure: Failure) -> None:
    """Count a failure by its kind, and by its host and reason."""
    report.failed += 1
    kinds = report.failures_by_kind
    kinds[failure.kind] = kinds.get(failure.kind, 0) + 1
    host = _host(failure.final_url or failure.ref.url)
    if not host:
        return
    hosts = report.failures_by_host
    if host not in hosts and len(hosts) >= _MOST_HOSTS:
        host = "other hosts"
    reasons = hosts.setdefault(host, {})
    status = failure.http_status if failure.kind == "http" else None
    reason = failure.kind if status is None else f"http {status}"
    if not failure.attempts:
        reason = "not tried"
    reasons[reason] = reasons.get(reason, 0) + 1


def _host(url: str) -> str:
    """The host (and port) of an http(s) URL as it is written there, else nothing."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    web = parts.scheme.lower() in ("http", "https")
    return parts.netloc.rpartition("@")[2].lower() if web else ""
