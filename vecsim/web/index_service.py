"""One index of the server: a thread for reading, a thread for writing, and its model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vecsim.api import Index
from vecsim.catalog import ImageRow
from vecsim.engines.serving import PictureRenderer, RequestEmbedder
from vecsim.errors import DuplicateIdError, FingerprintError, ImageError, ModelError, VecsimError
from vecsim.index import Snapshot
from vecsim.operations import building, maintenance
from vecsim.operations.known_images import must_add, picture_of
from vecsim.operations.orienting import stored_setting
from vecsim.orientations import codes_of
from vecsim.pipeline import Wanted
from vecsim.records import AddReport, Embedded, Failure, Fingerprint, ImageRef
from vecsim.web.group_service import GroupService
from vecsim.web.observation import IndexState
from vecsim.web.problems import ProblemError, problem_from_error
from vecsim.web.review_service import ReviewService
from vecsim.web.schemas import api_path
from vecsim.web.search_service import HowSimilar, SearchAnswer, SearchService

T = TypeVar("T")

Outcome = Embedded | Failure


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Consecutive images of an index that has `total` images."""

    total: int
    rows: Sequence[ImageRow]


class IndexService:
    """Reads and changes one index for concurrent requests.

    All reads run on one thread, one after the other: a snapshot must not be used by several
    threads, and one search uses all cores. Each read checks the catalog's generation first, so it
    sees what other processes have committed; a read that has begun keeps its snapshot.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        fingerprint: Fingerprint,
        embedder: RequestEmbedder | None,
        renderer: PictureRenderer,
        root_path: str = "",
    ) -> None:
        """`embedder`: the model of `fingerprint`, or None if it cannot be loaded.

        `root_path`: the prefix of the server's paths.
        """
        self.name = name
        self.api_path = api_path(root_path, name)
        self.path = path
        self.embedder = embedder
        self.groups = GroupService(name, path)
        self.review = ReviewService(name, path)
        self._renderer = renderer
        self._fingerprint = fingerprint
        self._index = Index(path)
        self._file: tuple[int, int] | None = None
        self._reader = ThreadPoolExecutor(1, f"read {name}")
        self._writer = ThreadPoolExecutor(1, f"write {name}")
        self._searches = SearchService(name, self.api_path, self._reader, self._snapshot)

    def close(self) -> None:
        """Finish started work and close the files."""
        self.groups.close()
        self._writer.shutdown()
        self._reader.submit(self._index.close)
        self._reader.shutdown()

    def _current(self) -> Index:
        """The index at the path, opened again if the files were replaced since the last call."""
        try:
            catalog = (self.path / "catalog.db").stat()
            found = catalog.st_dev, catalog.st_ino
        except OSError:
            found = None  # opening the index raises the right error
        if found != self._file:
            self._index.close()
            self._file = found
        return self._index

    def _snapshot(self) -> Snapshot:
        snapshot = self._current().snapshot
        if snapshot.fingerprint != self._fingerprint:
            raise FingerprintError(
                f"{self.name}: the index was rebuilt with the model {snapshot.fingerprint}, but "
                f"this server has loaded {self._fingerprint}. The server must be restarted."
            )
        return snapshot

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except VecsimError as error:
            raise self._problem(error) from error

    def _problem(self, error: VecsimError) -> ProblemError:
        return problem_from_error(error, self.path, self.name)

    # -- reading -------------------------------------------------------------------------------

    async def read(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread for reading; raises `ProblemError` for errors of vecsim."""
        return await self._run(self._reader, work)

    async def info(self) -> maintenance.IndexInfo:
        """Facts about the index."""
        return await self._run(self._reader, lambda: maintenance.info(self.path))

    async def state(self) -> IndexState:
        """What the index holds, without the facts of `info` that take long to find."""
        return await self._run(self._reader, lambda: IndexState.of(self._snapshot(), self.path))

    async def get_image(self, image_id: str) -> ImageRow:
        """The row of one image; raises `ProblemError` if the id is unknown."""
        return await self._run(self._reader, lambda: self._snapshot().row_of(image_id))

    async def get_thumbnail(self, image_id: str) -> bytes | None:
        """The thumbnail of an image; None if it has none."""
        return await self._run(self._reader, lambda: self._current().thumbnail(image_id))

    async def render_picture(self, image_id: str, size: str) -> bytes:
        """An image as WebP, larger than its thumbnail; raises `ProblemError` if that fails."""
        row = await self.get_image(image_id)
        try:
            render = self._renderer.render
            return await asyncio.to_thread(render, row.ref, row.facts.sha256, size)
        except VecsimError as error:
            raise self._problem(error) from error

    async def list_images(self, start: int, limit: int) -> ImagePage:
        """At most `limit` images from position `start` on."""

        def work() -> ImagePage:
            snapshot = self._snapshot()
            keys = snapshot.slice(start, start + limit)[0].tolist()
            rows = snapshot.rows(keys)
            return ImagePage(snapshot.count, [rows[key] for key in keys])

        return await self._run(self._reader, work)

    async def list_failures(
        self, start: int, limit: int
    ) -> tuple[dict[str, int], Sequence[Failure]]:
        """The counts of failures by kind, and at most `limit` failures from `start` on."""

        def work() -> tuple[dict[str, int], Sequence[Failure]]:
            snapshot = self._snapshot()
            return snapshot.failures_by_kind(), snapshot.catalog.failures.page(start, limit)

        return await self._run(self._reader, work)

    async def search(self, query: str | Embedded, how: HowSimilar) -> SearchAnswer:
        """Find images similar to an image of the index, by its id, or to an embedded picture.

        The image itself is left out; the picture was embedded with this index's model. Raises
        `ProblemError`.
        """
        try:
            return await self._searches.search(query, how)
        except VecsimError as error:
            raise self._problem(error) from error

    # -- embedding -----------------------------------------------------------------------------

    async def embed_url(self, url: str, client: str, how: HowSimilar) -> Embedded:
        """Download and embed the picture at a URL; raises `ProblemError` if that fails."""
        ref = ImageRef.of_url(url, client)
        return await self._embedded(lambda embedder: embedder.fetch(ref, _to_search(how)))

    async def embed_upload(self, data: bytes, client: str, how: HowSimilar) -> Embedded:
        """Embed an uploaded image file; raises `ProblemError` if that fails."""
        ref = ImageRef("upload", "", client=client)
        return await self._embedded(lambda embedder: embedder.take(ref, data, _to_search(how)))

    async def _embedded(self, start: Callable[[RequestEmbedder], Future[Outcome]]) -> Embedded:
        outcome = await self._outcome(start)
        if isinstance(outcome, Failure):
            error = ImageError(outcome.kind, outcome.message, http_status=outcome.http_status)
            raise self._problem(error)
        return outcome

    async def _outcome(self, start: Callable[[RequestEmbedder], Future[Outcome]]) -> Outcome:
        embedder = self.embedder
        if embedder is None:
            raise self._problem(ModelError(f"{self.name}: this server has no model for the index."))
        try:
            # Starting blocks while the pipeline is full, so it must not run on the event loop.
            future = await asyncio.to_thread(start, embedder)
            return await asyncio.shield(asyncio.wrap_future(future))
        except VecsimError as error:
            raise self._problem(error) from error

    # -- writing -------------------------------------------------------------------------------

    async def add(
        self, refs: Sequence[ImageRef], on_duplicate: str
    ) -> tuple[AddReport, Sequence[Failure]]:
        """Download, embed and commit images; known images are not downloaded again."""

        def look_up() -> tuple[dict[str, ImageRow], tuple[int, ...]]:
            snapshot = self._snapshot()
            codes = codes_of(stored_setting(snapshot))
            return snapshot.rows_of_ids([ref.id for ref in refs]), codes

        known, codes = await self._run(self._reader, look_up)
        wanted = []
        for ref in refs:
            row = known.get(ref.id)
            try:
                stored = picture_of(row.ref, row.facts.sha256) if row is not None else None
                new = must_add(ref, stored, on_duplicate)
            except DuplicateIdError as error:
                raise self._problem(error) from error
            if new:
                wanted.append(ref)
        outcomes = await asyncio.gather(*(self._outcome(_download(ref, codes)) for ref in wanted))
        report = await self._run(
            self._writer,
            lambda: building.add_outcomes(self.path, outcomes, on_duplicate=on_duplicate),
        )
        report.skipped += len(refs) - len(wanted)
        return report, [outcome for outcome in outcomes if isinstance(outcome, Failure)]

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove images by id."""
        return await self.write(lambda: maintenance.remove(self.path, ids))

    async def write(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread for writing; raises `ProblemError` for errors of vecsim."""
        return await self._run(self._writer, work)


def _download(
    ref: ImageRef, codes: tuple[int, ...]
) -> Callable[[RequestEmbedder], Future[Outcome]]:
    return lambda embedder: embedder.fetch(ref, Wanted(codes))


def _to_search(how: HowSimilar) -> Wanted:
    """What is made of a picture that is only searched for."""
    return Wanted(how.codes, thumbnail=False)
