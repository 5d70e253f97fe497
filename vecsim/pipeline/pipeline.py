"""The pipeline: fetches, decodes and embeds images, and yields the results in order.

Each image travels as one record from its reference to its vector, so that an id can never drift
from its vector. Whatever happens to an image ends in an `Embedded` or a `Failure` of its reference.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from typing import Protocol

from vecsim.errors import FailureKind, ImageError, VecsimError
from vecsim.orientations import AS_IT_IS
from vecsim.pipeline.concurrency import ByteBudget, FutureCache, chain_future, completed_future
from vecsim.pipeline.embedding import (
    EmbeddingLookup,
    EmbeddingResult,
    EmbeddingThread,
    KnownEmbedding,
    Wanted,
)
from vecsim.pipeline.outcomes import Outcome, failure_of, not_modified_facts, outcome_of
from vecsim.protocols import Embedder
from vecsim.records import Decoded, Fetched, ImageFacts, ImageRef, UnusableRef

WINDOW = 16_384
"""References in flight at once. An image that takes a minute delays the results behind it, not the
work: at 250 images a second this window keeps all threads busy for that minute."""

BYTES_IN_FLIGHT = 128 << 20
"""Bytes of fetched and decoded pictures that may wait for the next stage."""

HEARTBEAT = 0.25
"""Seconds after which `Pipeline.run` yields None, so that its caller can commit, report or stop."""


class FetchExecutor(Protocol):
    """Fetches images in the background, such as a `FetchPool`."""

    def submit(self, url: str, earlier: ImageFacts | None = None) -> Future[Fetched]:
        """Start to fetch `url`; does not wait. The future may raise `ImageError`.

        `earlier`: facts of an earlier fetch. If the server says that nothing has changed since, the
        result has http_status 304 and no bytes.
        """


class DecodeExecutor(Protocol):
    """Decodes pictures in the background, such as a `DecoderPool`."""

    def submit(self, data: bytes, client: str = "", *, thumbnail: bool = True) -> Future[Decoded]:
        """Start to decode `data`; does not wait. The future may raise `ImageError`.

        Pictures of several clients take turns. `thumbnail`: False for one that needs none.
        """


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What a pipeline knows of earlier work, and how it embeds.

    `find_embedding`: the embedding of bytes that were embedded before.
    `find_facts`: the facts of an earlier fetch of a reference, whose bytes are then fetched only if
    they have changed.
    `find_unchanged`: the embedding of an image whose bytes are still those of the given facts; by
    default what `find_embedding` returns for their SHA-256.
    `normalise`: whether vectors are scaled to unit length, or left as the model returns them.
    `cache_size`: how many recent outcomes, by URL and by bytes, are used again.
    `batch_size`: pictures through the model together.
    `batch_wait`: seconds that a picture waits for others that are being decoded.
    `bytes_in_flight`: bytes of fetched and decoded pictures that may wait for the next stage.
    `orientations`: the codes of those in which each picture is embedded, 0 first. An embedding that
    `find_embedding` returns has them too.
    """

    find_embedding: EmbeddingLookup = lambda sha256: None
    find_facts: Callable[[ImageRef], ImageFacts | None] = lambda ref: None
    find_unchanged: Callable[[ImageFacts], KnownEmbedding | None] | None = None
    normalise: bool = True
    cache_size: int = 4_096
    batch_size: int = 32
    batch_wait: float = 0.0
    bytes_in_flight: int = BYTES_IN_FLIGHT
    orientations: tuple[int, ...] = (AS_IT_IS,)


_DEFAULTS = PipelineOptions()


class Pipeline:
    """Turns references into vectors. One `run` at a time; many threads may call `submit`."""

    def __init__(
        self,
        fetchers: FetchExecutor,
        decoders: DecodeExecutor,
        embedder: Embedder,
        options: PipelineOptions = _DEFAULTS,
    ) -> None:
        """Start the embedding thread. `fetchers` and `decoders` are left open by `close`."""
        self._fetchers = fetchers
        self._decoders = decoders
        self._find_embedding = options.find_embedding
        self._find_facts = options.find_facts
        self._find_unchanged = options.find_unchanged or (
            lambda facts: options.find_embedding(facts.sha256)
        )
        self._wanted = Wanted(options.orientations)
        self._pixel_bytes = math.prod(embedder.preparation.shape)
        self._budget = ByteBudget(options.bytes_in_flight)
        self._by_url: FutureCache[Outcome] = FutureCache(options.cache_size)
        self._by_sha256: FutureCache[EmbeddingResult] = FutureCache(options.cache_size)
        self._embedding = EmbeddingThread(
            embedder,
            batch_size=options.batch_size,
            batch_wait=options.batch_wait,
            normalise=options.normalise,
        )

    def close(self) -> None:
        """Accept no further pictures; those in flight are dropped."""
        self._budget.close()
        self._embedding.close()

    def run(
        self, refs: Iterable[ImageRef], stop: threading.Event | None = None
    ) -> Iterator[Outcome | None]:
        """Yield one outcome for each reference, in their order.

        Yields None every `HEARTBEAT` seconds while no outcome is ready. Once `stop` is set, no
        further reference is taken, the outcomes that are complete are yielded, and the run ends.
        An error of `refs` itself is raised after the outcomes of all references before it.
        """
        source = _Source(refs)
        in_flight: deque[Future[Outcome]] = deque()
        while in_flight or not source.exhausted:
            if stop is not None and stop.is_set():
                yield from (future.result() for future in in_flight if future.done())
                return
            while not source.exhausted and len(in_flight) < WINDOW:
                ref = source.take()
                if ref is None:
                    break
                in_flight.append(self._start(ref))
                if in_flight[0].done():
                    break
            if not in_flight:
                break
            try:
                outcome = in_flight[0].result(timeout=HEARTBEAT)
            except FutureTimeout:
                yield None
                continue
            in_flight.popleft()
            yield outcome
        if source.error is not None:
            raise source.error

    def submit(
        self,
        ref: ImageRef,
        fetched: Fetched | None = None,
        wanted: Wanted | None = None,
    ) -> Future[Outcome]:
        """Start one image by itself; its bytes are fetched unless `fetched` has them.

        `wanted`: in place of what the options say. Many threads may call this. It waits only while
        too many bytes are in flight.
        """
        wanted = wanted or self._wanted
        if fetched is None:
            return self._start(ref, wanted)
        outcome: Future[Outcome] = Future()
        self._decode(ref, outcome, fetched, wanted)
        return outcome

    def _start(self, ref: ImageRef, wanted: Wanted | None = None) -> Future[Outcome]:
        """Fetch the image, unless another reference with the same URL does or did."""
        wanted = wanted or self._wanted
        if isinstance(ref, UnusableRef):
            return completed_future(failure_of(ref, ImageError(ref.kind, ref.message)))
        if ref.fetched is not None:
            # The reference is kept until its outcome is committed; its bytes are not.
            return self.submit(replace(ref, fetched=None), ref.fetched, wanted)
        if not ref.url:
            where = f" ({ref.location})" if ref.location else ""
            error = ImageError(FailureKind.BAD_URL, f"the row has no URL{where}")
            return completed_future(failure_of(ref, error))
        shared, is_new = self._by_url.get_or_create(self._cache_key(ref.address, wanted))
        if is_new:
            earlier = self._find_facts(ref)
            fetching = self._fetchers.submit(ref.address, earlier)
            fetching.add_done_callback(
                lambda done: self._on_fetched(ref, shared, done, wanted, earlier)
            )
        own: Future[Outcome] = Future()
        chain_future(shared, own, lambda outcome: replace(outcome, ref=ref))
        return own

    def _cache_key(self, name: str, wanted: Wanted) -> str:
        """Return the key of an address or hash: results of other kinds are others."""
        return name if wanted == self._wanted else f"{wanted} {name}"

    def _on_fetched(
        self,
        ref: ImageRef,
        outcome: Future[Outcome],
        fetching: Future[Fetched],
        wanted: Wanted,
        earlier: ImageFacts | None = None,
    ) -> None:
        """Decode what was fetched, unless it is what was fetched `earlier`."""
        if fetching.cancelled():
            return
        try:
            fetched = fetching.result()
            not_modified = fetched.facts.http_status == 304
            if earlier is None or (not not_modified and fetched.facts.sha256 != earlier.sha256):
                self._decode(ref, outcome, fetched, wanted)
                return
            known = self._find_unchanged(earlier)
            if known is not None:
                facts = fetched.facts
                if not_modified:
                    facts = not_modified_facts(earlier, facts)
                outcome.set_result(outcome_of(ref, facts, known))
            elif not_modified:
                # A merge is rewriting this vector; fetch the bytes again.
                refetching = self._fetchers.submit(ref.address)
                refetching.add_done_callback(
                    lambda done: self._on_fetched(ref, outcome, done, wanted)
                )
            else:
                self._decode(ref, outcome, fetched, wanted)
        except ImageError as error:
            outcome.set_result(failure_of(ref, error))
        except BaseException as error:
            outcome.set_exception(error)

    def _decode(
        self, ref: ImageRef, outcome: Future[Outcome], fetched: Fetched, wanted: Wanted
    ) -> None:
        """Decode and embed the bytes, unless their embedding is known or being computed."""
        facts = fetched.facts
        known = self._find_embedding(facts.sha256)
        if known is not None:
            outcome.set_result(outcome_of(ref, facts, known))
            return
        shared, is_new = self._by_sha256.get_or_create(self._cache_key(facts.sha256, wanted))
        chain_future(shared, outcome, lambda result: outcome_of(ref, facts, result))
        if not is_new:
            return
        size = len(fetched.data) + self._pixel_bytes
        if not self._budget.acquire(size):
            return
        shared.add_done_callback(lambda _: self._budget.release(size))
        self._embedding.expect()
        decoding = self._decoders.submit(fetched.data, ref.client, thumbnail=wanted.thumbnail)
        decoding.add_done_callback(lambda done: self._on_decoded(shared, done, wanted))

    def _on_decoded(
        self, result: Future[EmbeddingResult], decoding: Future[Decoded], wanted: Wanted
    ) -> None:
        try:
            error = decoding.exception()
        except CancelledError as cancelled:  # the pool was closed before the run was complete
            error = cancelled
        if error is None:
            self._embedding.submit(decoding.result(), result, wanted.orientations)
            return
        self._embedding.expect_no_more()
        if isinstance(error, ImageError):
            result.set_result(error)
        else:
            result.set_exception(error)


class _Source:
    """The references of a run. An error of the iterable ends it and is kept in `error`."""

    def __init__(self, refs: Iterable[ImageRef]) -> None:
        self._refs = iter(refs)
        self.exhausted = False
        self.error: VecsimError | None = None

    def take(self) -> ImageRef | None:
        """Return the next reference; None at the end or at an error."""
        ref = None
        try:
            ref = next(self._refs, None)
        except VecsimError as error:
            self.error = error
        self.exhausted = ref is None
        return ref
