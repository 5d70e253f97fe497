"""One index as the server holds it: a thread that reads, a thread that writes, its model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vecsim.api import Index
from vecsim.catalog import ImageRow
from vecsim.engines.live import LiveEngine
from vecsim.errors import DuplicateIdError, FingerprintError, ImageError, ModelError, VecsimError
from vecsim.index import Snapshot
from vecsim.operations import building, care, querying
from vecsim.records import AddReport, Embedded, Failure, Fingerprint, ImageRef, Match
from vecsim.web.problems import ProblemError, problem_of

T = TypeVar("T")

Outcome = Embedded | Failure


@dataclass(frozen=True, slots=True)
class Part:
    """`rows` from position `start` on, of `total`."""

    total: int
    start: int
    rows: Sequence[ImageRow]


@dataclass(frozen=True, slots=True)
class Found:
    """Matches in their final order, and whether there were more than were asked for."""

    query: ImageRow | Embedded
    matches: Sequence[Match]
    more: bool


class ServedIndex:
    """Answers from the newest generation, whoever wrote it.

    Everything that reads runs on one thread, one after the other: a snapshot is not for several,
    and a search keeps all cores busy by itself. Each call begins with a look at the catalog's
    generation; what was begun before another process wrote ends with the snapshot it began with.
    """

    def __init__(
        self, name: str, path: Path, fingerprint: Fingerprint, engine: LiveEngine | None
    ) -> None:
        """`engine`: the model that `fingerprint` means, or None where it cannot be had."""
        self.name = name
        self.path = path
        self.engine = engine
        self._fingerprint = fingerprint
        self._index = Index(path)
        self._file: tuple[int, int] | None = None
        self._reader = ThreadPoolExecutor(1, f"read {name}")
        self._writer = ThreadPoolExecutor(1, f"write {name}")

    def close(self) -> None:
        """Finish what was begun and let go of the files."""
        self._writer.shutdown()
        self._reader.submit(self._index.close)
        self._reader.shutdown()

    def _current(self) -> Index:
        """The index that is at the path now: it may have been built anew."""
        try:
            catalog = (self.path / "catalog.db").stat()
            found = catalog.st_dev, catalog.st_ino
        except OSError:
            found = None  # opening it says what is wrong
        if found != self._file:
            self._index.close()
            self._file = found
        return self._index

    def _snapshot(self) -> Snapshot:
        snapshot = self._current().snapshot
        if snapshot.fingerprint != self._fingerprint:
            raise FingerprintError(
                f"{self.name}: was built anew for {snapshot.fingerprint}, and this server holds "
                f"the model of {self._fingerprint}. It must be started again."
            )
        return snapshot

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except VecsimError as error:
            raise self.problem(error) from error

    def problem(self, error: VecsimError) -> ProblemError:
        """The problem that an error of this index is."""
        return problem_of(error, self.path, self.name)

    # -- reading -------------------------------------------------------------------------------

    async def info(self) -> care.IndexInfo:
        """What it holds."""
        return await self._run(self._reader, lambda: care.info(self.path))

    async def image(self, image_id: str) -> ImageRow:
        """One of its images."""
        return await self._run(self._reader, lambda: self._snapshot().row_of(image_id))

    async def thumbnail(self, image_id: str) -> bytes | None:
        """A small WebP of one of its images, if it keeps one."""
        return await self._run(self._reader, lambda: self._current().thumbnail(image_id))

    async def images(self, start: int, limit: int) -> Part:
        """Its images by position."""

        def work() -> Part:
            snapshot = self._snapshot()
            keys = snapshot.slice(start, start + limit)[0].tolist()
            rows = snapshot.rows(keys)
            return Part(snapshot.count, start, [rows[key] for key in keys])

        return await self._run(self._reader, work)

    async def failures(self, start: int, limit: int) -> tuple[dict[str, int], Sequence[Failure]]:
        """How many failures of each kind there are, and a part of them."""

        def work() -> tuple[dict[str, int], Sequence[Failure]]:
            snapshot = self._snapshot()
            return snapshot.failures_by_kind(), snapshot.failures_part(start, limit)

        return await self._run(self._reader, work)

    async def like_id(self, image_id: str, threshold: float, k: int) -> Found:
        """Images like one of its own, this one left out."""

        def work() -> Found:
            snapshot = self._snapshot()
            row = snapshot.row_of(image_id)
            found = querying.query_ids(snapshot, [image_id], top_k=k + 1)
            return _found(row, found, threshold, k)

        return await self._run(self._reader, work)

    async def like_picture(self, picture: Embedded, threshold: float, k: int) -> Found:
        """Images like one that was embedded for this index's model."""

        def work() -> Found:
            snapshot = self._snapshot()
            found = querying.query_vectors(snapshot, picture.vector, top_k=k + 1)
            return _found(picture, found, threshold, k)

        return await self._run(self._reader, work)

    # -- pictures ------------------------------------------------------------------------------

    async def fetch(self, url: str) -> Embedded:
        """The picture behind a URL, embedded."""
        return await self._embedded(lambda engine: engine.fetch(ImageRef(url, url)))

    async def take(self, data: bytes) -> Embedded:
        """A picture that was handed over, embedded."""
        return await self._embedded(lambda engine: engine.take(ImageRef("upload", ""), data))

    async def _embedded(self, start: Callable[[LiveEngine], Future[Outcome]]) -> Embedded:
        outcome = await self._outcome(start)
        if isinstance(outcome, Failure):
            error = ImageError(outcome.kind, outcome.message, http_status=outcome.http_status)
            raise self.problem(error)
        return outcome

    async def _outcome(self, start: Callable[[LiveEngine], Future[Outcome]]) -> Outcome:
        engine = self.engine
        if engine is None:
            raise self.problem(ModelError(f"{self.name}: there is no model here for its vectors."))
        try:
            # Starting may wait while many pictures are on their way; the loop must not.
            future = await asyncio.to_thread(start, engine)
            return await asyncio.shield(asyncio.wrap_future(future))
        except VecsimError as error:
            raise self.problem(error) from error

    # -- writing -------------------------------------------------------------------------------

    async def add(
        self, refs: Sequence[ImageRef], on_duplicate: str
    ) -> tuple[AddReport, Sequence[Failure]]:
        """Fetch, embed and commit images; those known already are not fetched again."""
        known = await self._run(
            self._reader, lambda: self._snapshot().rows_of_ids([ref.id for ref in refs])
        )
        wanted = []
        for ref in refs:
            row = known.get(ref.id)
            if row is None or (row.ref.url != ref.url and on_duplicate == "replace"):
                wanted.append(ref)
            elif row.ref.url != ref.url and on_duplicate == "error":
                raise self.problem(
                    DuplicateIdError(f"{self.name}: id {ref.id!r} stands for {row.ref.url} already")
                )
        outcomes = await _together(self._outcome(_fetching(ref)) for ref in wanted)
        report = await self._run(
            self._writer,
            lambda: building.add_outcomes(self.path, outcomes, on_duplicate=on_duplicate),
        )
        report.skipped += len(refs) - len(wanted)
        return report, [outcome for outcome in outcomes if isinstance(outcome, Failure)]

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove images by id."""
        return await self._run(self._writer, lambda: care.remove(self.path, ids))


def _fetching(ref: ImageRef) -> Callable[[LiveEngine], Future[Outcome]]:
    return lambda engine: engine.fetch(ref)


async def _together(work: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*work))


def _found(query: ImageRow | Embedded, matches: Iterable[Match], threshold: float, k: int) -> Found:
    """One more was asked for than is shown, so that it is known whether there is one."""
    enough = [match for match in matches if match.score >= threshold]
    return Found(query, enough[:k], len(enough) > k)
