"""Embeddings of decoded pictures: what is known of one, and the thread that computes new ones."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from vecsim.errors import FailureKind, ImageError
from vecsim.orientations import AS_IT_IS, oriented
from vecsim.protocols import Embedder
from vecsim.records import Decoded, Float32, ImageFacts
from vecsim.search.score import normalise


@dataclass(frozen=True, slots=True, eq=False)
class KnownEmbedding:
    """The embedding of some bytes, with what was learned when they were decoded.

    `vector`: float32 (dim,). `picture`: facts of which only width, height, format, warnings and
    entropy count; the others belong to one particular fetch. `thumbnail`: a small JPEG, or empty.
    `turned`: vectors of the picture in other orientations, by their codes.
    """

    vector: Float32
    picture: ImageFacts
    thumbnail: bytes = b""
    turned: Mapping[int, Float32] = field(default_factory=dict)

    def has(self, orientations: Collection[int]) -> bool:
        """Whether the vectors of all `orientations` are known; that of the picture as it is, is."""
        return all(code == 0 or code in self.turned for code in orientations)

    @classmethod
    def from_decoded(
        cls, vectors: Sequence[Float32], orientations: Sequence[int], decoded: Decoded
    ) -> KnownEmbedding:
        """Combine the `vectors` of a picture in `orientations`, 0 first, with what was decoded."""
        picture = ImageFacts(
            width=decoded.width,
            height=decoded.height,
            format=decoded.format,
            warnings="\n".join(decoded.warnings),
            entropy=decoded.entropy,
        )
        turned = dict(zip(orientations[1:], vectors[1:], strict=True))
        return cls(vectors[0], picture, decoded.thumbnail, turned)

    def add_picture_facts(self, fetch_facts: ImageFacts) -> ImageFacts:
        """Return the facts of a fetch of these bytes, completed with those of the picture."""
        return replace(
            fetch_facts,
            width=self.picture.width,
            height=self.picture.height,
            format=self.picture.format,
            warnings=self.picture.warnings,
            entropy=self.picture.entropy,
        )


EmbeddingLookup: TypeAlias = Callable[[str], KnownEmbedding | None]
"""From the SHA-256 of some bytes to their embedding, or None. Many threads call it."""

EmbeddingResult: TypeAlias = KnownEmbedding | ImageError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is made of a picture: vectors in `orientations`, 0 first, and perhaps a `thumbnail`.

    Whether there are thumbnails at all, the decoders say.
    """

    orientations: tuple[int, ...] = (AS_IT_IS,)
    thumbnail: bool = True


class EmbeddingThread:
    """Puts decoded pictures through a model in batches, in a thread of its own."""

    def __init__(
        self, embedder: Embedder, *, batch_size: int, batch_wait: float, normalise: bool
    ) -> None:
        """`batch_wait`: seconds that a picture waits for others, if any are expected.

        `normalise`: vectors to unit length.
        """
        self._embedder = embedder
        self._batch_size = batch_size
        self._batch_wait = batch_wait
        self._normalise = normalise
        self._expected = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Picture | None] = queue.SimpleQueue()
        # A daemon thread: a model that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name="vecsim-embed", daemon=True).start()

    def expect(self) -> None:
        """Count a picture that will be submitted soon: `submit` or `expect_no_more` follows."""
        self._count(1)

    def expect_no_more(self) -> None:
        """Count a picture no more that was expected: it could not be decoded."""
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._expected += more

    def submit(
        self,
        decoded: Decoded,
        result: Future[EmbeddingResult],
        orientations: Sequence[int] = (AS_IT_IS,),
    ) -> None:
        """Embed `decoded`, which was expected, in `orientations`, 0 first; completes `result`."""
        self._queue.put(_Picture(decoded, result, orientations))

    def close(self) -> None:
        """End the thread after the batch in progress; pictures that still wait are dropped."""
        self._queue.put(None)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._embed(batch)
            except BaseException as error:
                for picture in batch:
                    picture.result.set_exception(error)

    def _next_batch(self) -> list[_Picture] | None:
        """Wait for a picture and for those that arrive soon after; None once closed."""
        picture = self._queue.get()
        if picture is None:
            return None
        self._count(-1)
        batch = [picture]
        end = time.monotonic() + self._batch_wait
        while len(batch) < self._batch_size:
            wait = end - time.monotonic() if self._expected > 0 else 0.0
            try:
                picture = self._queue.get(timeout=max(0.0, wait))
            except queue.Empty:
                break
            if picture is None:
                return None
            self._count(-1)
            batch.append(picture)
        return batch

    def _embed(self, batch: list[_Picture]) -> None:
        turned = [
            oriented(picture.decoded.pixels, code)
            for picture in batch
            for code in picture.orientations
        ]
        parts = [
            self._embedder.embed(np.stack(turned[start : start + self._batch_size]))
            for start in range(0, len(turned), self._batch_size)
        ]
        embeddings = np.concatenate(parts) if len(parts) > 1 else parts[0]
        valid = np.logical_and(np.isfinite(embeddings).all(axis=1), embeddings.any(axis=1))
        vectors = np.zeros(embeddings.shape, np.float32 if self._normalise else embeddings.dtype)
        vectors[valid] = normalise(embeddings[valid]) if self._normalise else embeddings[valid]
        start = 0
        for picture in batch:
            stop = start + len(picture.orientations)
            if valid[start:stop].all():
                own = [vector.copy() for vector in vectors[start:stop]]
                known = KnownEmbedding.from_decoded(own, picture.orientations, picture.decoded)
                picture.result.set_result(known)
            else:
                message = "the model returned a vector that is zero or not finite"
                picture.result.set_result(ImageError(FailureKind.BAD_VECTOR, message))
            start = stop


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """A picture that waits for the model, the future of its embedding, and in which orientations it
    is embedded.
    """

    decoded: Decoded
    result: Future[EmbeddingResult]
    orientations: Sequence[int]
