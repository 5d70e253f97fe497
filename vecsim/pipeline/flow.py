"""The pipeline: fetchers, decoders and one embedding thread, results in order.

Each image travels as one record from its reference to its vector, so that an id can never drift
from its vector; whatever happens to it ends in an `Embedded` or a `Failure` of that reference.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import numpy as np

from vecsim.errors import FailureKind, ImageError, VecsimError
from vecsim.pipeline.known import Known, Lookup, Recent
from vecsim.pipeline.room import Room
from vecsim.protocols import Embedder
from vecsim.records import (
    Decoded,
    Embedded,
    Failure,
    Fetched,
    Float32,
    ImageFacts,
    ImageRef,
)
from vecsim.search.score import normalise

# References on their way at once. One image that takes a minute holds up the results behind it,
# not the work: at 250 images a second this window keeps everybody busy for that minute.
WINDOW = 16_384

# Bytes of fetched and decoded pictures that wait for the next stage.
ROOM_BYTES = 128 << 20

# Vectors remembered by the hash of their bytes, and outcomes by URL, besides what the index holds.
RECENT = 4_096

# How often a waiting caller is given the chance to commit, report or stop, in seconds.
HEARTBEAT = 0.25

Outcome = Embedded | Failure
S = TypeVar("S")
T = TypeVar("T")


class Fetchers(Protocol):
    """Where images are fetched: `submit` does not wait, its future may raise `ImageError`."""

    def submit(self, url: str, stored: ImageFacts | None = None) -> Future[Fetched]:
        """Fetch `url` somewhere else, unless it is still as `stored`: then http_status is 304."""


class Decoders(Protocol):
    """Where pictures are decoded: `submit` does not wait, its future may raise `ImageError`."""

    def submit(self, data: bytes) -> Future[Decoded]:
        """Decode `data` somewhere else."""


class Pipeline:
    """Turns references into vectors. One `run` at a time; `close` when done."""

    def __init__(
        self,
        fetchers: Fetchers,
        decoders: Decoders,
        embedder: Embedder,
        *,
        batch_size: int = 32,
        lookup: Lookup = lambda sha256: None,
        stored: Callable[[ImageRef], ImageFacts | None] = lambda ref: None,
        unchanged: Callable[[ImageFacts], Known | None] | None = None,
        unit: bool = True,
        remember: int = RECENT,
        batch_wait: float = 0.0,
    ) -> None:
        """`stored`: what is known of a reference that was fetched before; it is asked for its
        bytes only if they have changed. `unchanged`: what stands for bytes that are still as
        stored, by default what `lookup` finds. `unit`: whether vectors come out with the length 1,
        or as the model makes them. `remember`: how many outcomes, by URL and by bytes, are used
        again. `batch_wait`: seconds that a picture waits for others to go through the model with.
        """
        self._fetchers = fetchers
        self._decoders = decoders
        self._embedder = embedder
        self._batch_size = batch_size
        self._lookup = lookup
        self._stored = stored
        self._unchanged = unchanged or (lambda stored: lookup(stored.sha256))
        self._unit = unit
        size = embedder.preparation.size
        self._pixel_bytes = size * size * len(embedder.preparation.mode)
        self._room = Room(ROOM_BYTES)
        self._batch_wait = batch_wait
        self._by_url: Recent[Outcome] = Recent(remember)
        self._by_bytes: Recent[Known | ImageError] = Recent(remember)
        self._to_embed: queue.SimpleQueue[_Picture | None] = queue.SimpleQueue()
        # A daemon: a model that hangs must not keep the process from ending.
        threading.Thread(target=self._embed_loop, name="vecsim-embed", daemon=True).start()

    def close(self) -> None:
        """Take no more; what is on its way is dropped."""
        self._room.close()
        self._to_embed.put(None)

    def run(
        self, refs: Iterable[ImageRef], stop: threading.Event | None = None
    ) -> Iterator[Outcome | None]:
        """Yield one outcome for each reference, in their order.

        Yields None now and then while nothing is ready, so that the caller can act. Once `stop`
        is set, no further reference is taken, what is complete is yielded, and the run ends.
        An error of `refs` itself is raised after the outcomes of all references before it.
        """
        waiting: deque[Future[Outcome]] = deque()
        source = iter(refs)
        exhausted = False
        broken: VecsimError | None = None
        while waiting or not exhausted:
            if stop is not None and stop.is_set():
                yield from (task.result() for task in waiting if task.done())
                return
            while not exhausted and len(waiting) < WINDOW:
                try:
                    ref = next(source, None)
                except VecsimError as error:
                    ref, broken = None, error
                if ref is None:
                    exhausted = True
                    break
                waiting.append(self._start(ref))
                if waiting[0].done():
                    break
            if not waiting:
                break
            try:
                outcome = waiting[0].result(timeout=HEARTBEAT)
            except FutureTimeout:
                yield None
                continue
            waiting.popleft()
            yield outcome
        if broken is not None:
            raise broken

    # -- one image -----------------------------------------------------------------------------

    def submit(self, ref: ImageRef, fetched: Fetched | None = None) -> Future[Outcome]:
        """Start with one image by itself; its bytes are fetched unless `fetched` has them.

        Many threads may call this. It waits only while too many pictures are on their way.
        """
        if fetched is None:
            return self._start(ref)
        outcome: Future[Outcome] = Future()
        self._decode(ref, outcome, fetched)
        return outcome

    def _start(self, ref: ImageRef) -> Future[Outcome]:
        if not ref.url:
            where = f" ({ref.location})" if ref.location else ""
            return _done(
                _failed(ref, ImageError(FailureKind.BAD_URL, f"the row has no URL{where}"))
            )
        shared, first = self._by_url.claim(ref.url)
        if first:
            stored = self._stored(ref)
            fetching = self._fetchers.submit(ref.url, stored)
            fetching.add_done_callback(lambda fetched: self._fetched(ref, shared, fetched, stored))
        own: Future[Outcome] = Future()
        _pass_on(shared, own, lambda outcome: replace(outcome, ref=ref))
        return own

    def _fetched(
        self,
        ref: ImageRef,
        outcome: Future[Outcome],
        fetched: Future[Fetched],
        stored: ImageFacts | None = None,
    ) -> None:
        if fetched.cancelled():
            return
        try:
            facts = fetched.result().facts
            sent = facts.http_status != 304
            if stored is None or (sent and facts.sha256 != stored.sha256):
                self._decode(ref, outcome, fetched.result())
                return
            known = self._unchanged(stored)
            if known is not None:
                now = facts if sent else _still(stored, facts)
                outcome.set_result(_embedded(ref, now, known))
                return
            if sent:
                self._decode(ref, outcome, fetched.result())
                return
            # Its vector is just now moving house: have the bytes after all.
            again = self._fetchers.submit(ref.url)
            again.add_done_callback(lambda fetched: self._fetched(ref, outcome, fetched))
        except ImageError as error:
            outcome.set_result(_failed(ref, error))
        except BaseException as error:
            outcome.set_exception(error)

    def _decode(self, ref: ImageRef, outcome: Future[Outcome], fetched: Fetched) -> None:
        """Hand the bytes on, unless their vector is known or on its way."""
        facts = fetched.facts
        known = self._lookup(facts.sha256)
        if known is not None:
            outcome.set_result(_embedded(ref, facts, known))
            return
        shared, first = self._by_bytes.claim(facts.sha256)
        _pass_on(shared, outcome, lambda known: _embedded(ref, facts, known))
        if not first:
            return
        size = len(fetched.data) + self._pixel_bytes
        if not self._room.enter(size):
            return
        shared.add_done_callback(lambda _: self._room.leave(size))
        decoded = self._decoders.submit(fetched.data)
        decoded.add_done_callback(lambda future: self._decoded(shared, future))

    def _decoded(self, shared: Future[Known | ImageError], decoded: Future[Decoded]) -> None:
        try:
            error = decoded.exception()
        except CancelledError as cancelled:  # the run ends before its time
            error = cancelled
        if error is None:
            self._to_embed.put(_Picture(decoded.result(), shared))
        elif isinstance(error, ImageError):
            shared.set_result(error)
        else:
            shared.set_exception(error)

    # -- embedding -----------------------------------------------------------------------------

    def _embed_loop(self) -> None:
        while (first := self._to_embed.get()) is not None:
            batch = [first]
            until = time.monotonic() + self._batch_wait
            while len(batch) < self._batch_size:
                try:
                    picture = self._to_embed.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
                if picture is None:
                    return
                batch.append(picture)
            try:
                self._embed(batch)
            except BaseException as error:
                for picture in batch:
                    picture.future.set_exception(error)

    def _embed(self, batch: list[_Picture]) -> None:
        embeddings = self._embedder.embed(np.stack([picture.decoded.pixels for picture in batch]))
        fine = np.logical_and(np.isfinite(embeddings).all(axis=1), embeddings.any(axis=1))
        vectors = iter(normalise(embeddings[fine]) if self._unit else embeddings[fine])
        for picture, has_direction in zip(batch, fine.tolist(), strict=True):
            if has_direction:
                vector: Float32 = next(vectors).copy()
                picture.future.set_result(Known.of(vector, picture.decoded))
            else:
                message = "the model returned a vector of zero or not finite length"
                picture.future.set_result(ImageError(FailureKind.BAD_VECTOR, message))


class _Picture:
    """Pixels on their way to a vector."""

    __slots__ = ("decoded", "future")

    def __init__(self, decoded: Decoded, future: Future[Known | ImageError]) -> None:
        self.decoded = decoded
        self.future = future


def _pass_on(source: Future[S], target: Future[T], change: Callable[[S], T]) -> None:
    """Fulfil `target` with what `source` comes to."""

    def fulfil(done: Future[S]) -> None:
        error = done.exception()
        if error is not None:
            target.set_exception(error)
        else:
            target.set_result(change(done.result()))

    source.add_done_callback(fulfil)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future


def _still(stored: ImageFacts, now: ImageFacts) -> ImageFacts:
    """The facts of bytes that a server, asked again, says are still those `stored`."""
    return replace(
        stored,
        final_url=now.final_url,
        fetched_at=now.fetched_at,
        etag=now.etag or stored.etag,
        last_modified=now.last_modified or stored.last_modified,
    )


def _embedded(ref: ImageRef, facts: ImageFacts, known: Known | ImageError) -> Outcome:
    if isinstance(known, ImageError):
        # Somebody else's bytes may have been the same: what is told of the way here is our own.
        failure = _failed(ref, known)
        return replace(failure, http_status=facts.http_status, final_url=facts.final_url)
    return Embedded(ref, known.complete(facts), known.vector, known.thumbnail)


def _failed(ref: ImageRef, error: ImageError) -> Failure:
    return Failure(
        ref,
        error.kind,
        error.message,
        http_status=error.http_status,
        final_url=error.final_url,
        attempts=error.attempts,
        last_try=datetime.now(UTC).isoformat(timespec="seconds"),
    )
