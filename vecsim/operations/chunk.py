"""Collects the outcomes of a run until the next commit, and counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from vecsim.catalog import ImageRow
from vecsim.errors import FailureKind, UsageError
from vecsim.index.writer import Writer
from vecsim.operations.local_files import is_missing
from vecsim.records import AddReport, Embedded, Failure, ImageFacts, ImageRef

# One commit adds at most this many images (VECSIM_CHUNK_IMAGES), after at most this many seconds. A
# power failure loses at most the work of one chunk.
CHUNK_IMAGES = 4_096
CHUNK_SECONDS = 20.0

# HTTP statuses that mean that there is no such image any more.
_GONE_STATUS = (404, 410)

# How many hosts have their failures counted separately.
_MOST_HOSTS = 10_000


def chunk_images() -> int:
    """Return how many images one commit adds at most: `VECSIM_CHUNK_IMAGES` or `CHUNK_IMAGES`.

    Raises `UsageError` if the variable is no whole number from 1.
    """
    text = os.environ.get("VECSIM_CHUNK_IMAGES") or str(CHUNK_IMAGES)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"VECSIM_CHUNK_IMAGES={text!r}: must be a whole number, 1 or more.")
    return int(text)


class Chunk:
    """The outcomes of the next commit of `writer`, counted in `report`."""

    def __init__(
        self,
        writer: Writer,
        report: AddReport,
        on_commit: Callable[[Iterable[ImageRef]], None] = lambda refs: None,
        origin_of: Callable[[Embedded], ImageRow | None] = lambda image: None,
    ) -> None:
        """`on_commit` is called with the references of each commit.

        `origin_of` returns the image of the index that an outcome continues under another id or
        URL, with the same bytes.
        """
        self.writer = writer
        self.report = report
        self._on_commit = on_commit
        self._origin_of = origin_of
        self._origins: dict[str, ImageRow] = {}
        self._images: list[Embedded] = []
        self._failures: list[Failure] = []
        self._unchanged: list[ImageRow] = []
        self._missing: list[ImageRow] = []
        # Images of the index that a refresh or retry fetches again, by id.
        self._checked: dict[str, ImageRow] = {}
        self._since = time.monotonic()
        self._limit = chunk_images()

    def check(self, row: ImageRow) -> ImageRef:
        """Note that an image of the index is fetched again; returns its reference."""
        self._checked[row.ref.id] = row
        return row.ref

    def stored_facts(self, ref: ImageRef) -> ImageFacts | None:
        """Return the facts of the stored bytes of an image that is fetched again, else None."""
        row = self._checked.get(ref.id)
        return row.facts if row is not None and row.facts.sha256 else None

    def take(self, outcome: Embedded | Failure) -> None:
        """Count an outcome and keep it for the next commit."""
        row = self._checked.pop(outcome.ref.id, None)
        if isinstance(outcome, Failure):
            self._failures.append(outcome)
            count_failure(self.report, outcome)
            if row is not None and is_gone(outcome):
                self._missing.append(row)
        elif row is not None and outcome.facts.sha256 == row.facts.sha256:
            self._unchanged.append(replace(row, facts=outcome.facts))
            self.report.unchanged += 1
        else:
            origin = self._origin_of(outcome)
            self._images.append(outcome)
            if origin is not None:
                self._origins[outcome.ref.id] = origin
                self.report.moved += 1
            else:
                self.report.added += 1
            self.report.warned += bool(outcome.facts.warnings)
            self.report.uniform += outcome.facts.is_uniform

    def count_reused(self) -> None:
        """Count a vector that was found by its bytes; not in a refresh, where that is the rule."""
        if not self._checked:
            self.report.reused += 1

    def commit_if_due(self) -> None:
        """Commit if the chunk is full, or if the last commit was long ago."""
        count = len(self._images) + len(self._failures) + len(self._unchanged)
        if count >= self._limit or time.monotonic() - self._since > CHUNK_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Commit the outcomes collected so far."""
        images, failures, unchanged = self._images, self._failures, self._unchanged
        missing = self._missing
        self._images, self._failures, self._unchanged, self._missing = [], [], [], []
        origins, self._origins = self._origins, {}
        try:
            replaced = self.writer.commit(images, failures, unchanged, missing, origins)
        except BaseException:
            # The commit may not be durable, so its images do not count as done.
            self.report.added -= len(images) - len(origins)
            self.report.moved -= len(origins)
            self.report.failed -= len(failures)
            self.report.unchanged -= len(unchanged)
            raise
        # An image whose URL changed has replaced itself, and counts as moved.
        replaced -= sum(origin.ref.id == id_ for id_, origin in origins.items())
        self.report.replaced += replaced
        self.report.added -= replaced
        self._on_commit(image.ref for image in images)
        self._on_commit(failure.ref for failure in failures)
        self._since = time.monotonic()


def is_gone(failure: Failure) -> bool:
    """Tell whether a failure means that the image is no longer where it was."""
    if failure.kind == FailureKind.NO_FILE:
        return is_missing(failure.ref.url)
    return failure.http_status in _GONE_STATUS


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
    """Return the host (and port) of an http(s) URL as it is written there, else ""."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    web = parts.scheme.lower() in ("http", "https")
    return parts.netloc.rpartition("@")[2].lower() if web else ""
