"""`Pipeline` with fetchers, decoders and models of the test's own."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from vecsim.errors import ImageError, InputError
from vecsim.fetch import make_fetched
from vecsim.pipeline import KnownEmbedding, Pipeline, PipelineOptions
from vecsim.pipeline.concurrency import completed_future
from vecsim.protocols import Preparation
from vecsim.records import (
    Decoded,
    Embedded,
    Failure,
    Fetched,
    Fingerprint,
    Float32,
    ImageFacts,
    ImageRef,
    UInt8,
)


class Fetchers:
    """Returns the URL itself as bytes; 304 to a request with `earlier` facts if `not_modified`."""

    def __init__(self, *, not_modified: bool = False) -> None:
        self.requests: list[tuple[str, ImageFacts | None]] = []
        self._not_modified = not_modified

    def submit(self, url: str, earlier: ImageFacts | None = None) -> Future[Fetched]:
        self.requests.append((url, earlier))
        if url.startswith("missing"):
            failed: Future[Fetched] = Future()
            failed.set_exception(ImageError("http", "HTTP 404", http_status=404, attempts=2))
            return failed
        if self._not_modified and earlier is not None:
            return completed_future(make_fetched(b"", final_url=url, http_status=304, etag='"2"'))
        return completed_future(make_fetched(content(url), final_url=url, http_status=200))


class Decoders:
    """Makes one grey pixel of the first byte; bytes that begin with "damaged" are an error.

    `together`: so many pictures are ready at the same moment.
    """

    def __init__(self, together: int = 1) -> None:
        self.count = 0
        self._together = together
        self._held: list[tuple[Future[Decoded], Decoded]] = []

    def submit(self, data: bytes, client: str = "", *, thumbnail: bool = True) -> Future[Decoded]:
        self.count += 1
        if data.startswith(b"damaged"):
            failed: Future[Decoded] = Future()
            failed.set_exception(ImageError("damaged", "cut"))
            return failed
        pixels = np.full((1, 1), data[0], np.uint8)
        future: Future[Decoded] = Future()
        self._held.append((future, Decoded(pixels, 4, 3, "PNG", ("odd",), b"thumbnail")))
        if len(self._held) == self._together:
            threading.Thread(target=self._finish, args=(self._held,)).start()
            self._held = []
        return future

    @staticmethod
    def _finish(held: list[tuple[Future[Decoded], Decoded]]) -> None:
        for future, decoded in held:
            future.set_result(decoded)


class Model:
    """Embeds a grey value g as (g, g); 0 has no direction. Records the sizes of its batches."""

    fingerprint = Fingerprint("grey", "", "", 2)
    preparation = Preparation(1, "nearest", "L")
    threshold = 1.0

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[int] = []
        self._error = error

    def embed(self, pixels: UInt8) -> Float32:
        if self._error is not None:
            raise self._error
        self.batches.append(len(pixels))
        return np.repeat(pixels.reshape(-1, 1).astype(np.float32), 2, axis=1)


def content(url: str) -> bytes:
    """The bytes behind a URL: "a?1" and "a?2" have the same."""
    return url.partition("?")[0].encode()


def sha256(url: str) -> str:
    return hashlib.sha256(content(url)).hexdigest()


class Setup:
    """A pipeline with its parts."""

    def __init__(
        self, fetchers: Fetchers, model: Model, decoders: Decoders, options: PipelineOptions
    ) -> None:
        self.fetchers, self.decoders, self.model = fetchers, decoders, model
        self.pipeline = Pipeline(fetchers, self.decoders, model, options)

    def outcomes(self, *urls: str) -> list[Embedded | Failure]:
        refs = [ImageRef(f"#{number}", url) for number, url in enumerate(urls)]
        return [outcome for outcome in self.pipeline.run(refs) if outcome is not None]


@contextmanager
def setup(
    fetchers: Fetchers | None = None,
    model: Model | None = None,
    decoders: Decoders | None = None,
    **options: object,
) -> Iterator[Setup]:
    settings = PipelineOptions(**options)  # type: ignore[arg-type]
    made = Setup(fetchers or Fetchers(), model or Model(), decoders or Decoders(), settings)
    try:
        yield made
    finally:
        made.pipeline.close()


def test_outcomes_come_in_the_order_of_the_references() -> None:
    with setup() as made:
        found = made.outcomes("a", "missing", "b", "damaged", "", "\0")
    assert [outcome.ref.id for outcome in found] == [f"#{number}" for number in range(6)]
    kinds = [outcome.kind if isinstance(outcome, Failure) else None for outcome in found]
    assert kinds == [None, "http", None, "damaged", "bad-url", "bad-vector"]


def test_an_embedded_image_has_the_facts_of_fetching_and_decoding() -> None:
    with setup() as made:
        (found,) = made.outcomes("a")
    assert isinstance(found, Embedded)
    facts = found.facts
    assert (facts.final_url, facts.http_status, facts.sha256) == ("a", 200, sha256("a"))
    assert (facts.width, facts.height, facts.format, facts.warnings) == (4, 3, "PNG", "odd")
    assert found.thumbnail == b"thumbnail"


def test_a_failure_keeps_status_and_attempts() -> None:
    with setup() as made:
        (found,) = made.outcomes("missing")
    assert isinstance(found, Failure)
    assert (found.http_status, found.attempts, found.message) == (404, 2, "HTTP 404")
    assert found.last_try


@pytest.mark.parametrize(("normalise", "length"), [(True, 1.0), (False, 97 * 2**0.5)])
def test_vectors_are_normalised_on_request(normalise: bool, length: float) -> None:
    with setup(normalise=normalise) as made:
        (found,) = made.outcomes("a")
    assert isinstance(found, Embedded)
    assert np.linalg.norm(found.vector) == pytest.approx(length)


def test_the_same_url_is_fetched_once_and_the_same_bytes_are_decoded_once() -> None:
    with setup() as made:
        found = made.outcomes("a?1", "a?1", "a?2", "damaged?1", "damaged?2")
    assert [url for url, _ in made.fetchers.requests] == ["a?1", "a?2", "damaged?1", "damaged?2"]
    assert made.decoders.count == 2
    assert [outcome.ref.id for outcome in found] == ["#0", "#1", "#2", "#3", "#4"]
    failures = [outcome for outcome in found if isinstance(outcome, Failure)]
    assert [failure.final_url for failure in failures] == ["damaged?1", "damaged?2"]


def test_nothing_is_reused_with_a_cache_of_size_zero() -> None:
    with setup(cache_size=0) as made:
        made.outcomes("a", "a")
    assert len(made.fetchers.requests) == made.decoders.count == 2


def test_bytes_whose_embedding_is_known_are_not_decoded() -> None:
    known = KnownEmbedding(np.float32([1, 0]), ImageFacts(width=9, height=8, format="GIF"), b"old")
    with setup(find_embedding={sha256("a"): known}.get) as made:
        (found,) = made.outcomes("a")
    assert made.decoders.count == 0
    assert isinstance(found, Embedded)
    assert found.vector is known.vector
    assert (found.facts.width, found.facts.format, found.thumbnail) == (9, "GIF", b"old")


EARLIER = ImageFacts(
    final_url="old", sha256=sha256("a"), byte_count=1, http_status=200, etag='"1"', width=9
)
UNCHANGED = KnownEmbedding(np.float32([1, 0]), EARLIER)


def test_an_image_not_modified_keeps_the_earlier_facts_of_its_bytes() -> None:
    with setup(
        Fetchers(not_modified=True),
        find_facts=lambda ref: EARLIER,
        find_unchanged=lambda facts: UNCHANGED,
    ) as made:
        (found,) = made.outcomes("a")
    assert made.fetchers.requests == [("a", EARLIER)]
    assert made.decoders.count == 0
    assert isinstance(found, Embedded)
    facts = found.facts
    assert (facts.sha256, facts.http_status, facts.byte_count) == (EARLIER.sha256, 200, 1)
    assert (facts.final_url, facts.etag, facts.width) == ("a", '"2"', 9)


def test_bytes_sent_again_unchanged_are_not_decoded() -> None:
    with setup(find_facts=lambda ref: EARLIER, find_unchanged=lambda facts: UNCHANGED) as made:
        (found,) = made.outcomes("a")
    assert made.decoders.count == 0
    assert isinstance(found, Embedded)
    assert (found.facts.final_url, found.facts.http_status) == ("a", 200)


def test_changed_bytes_are_decoded() -> None:
    with setup(find_facts=lambda ref: EARLIER, find_unchanged=lambda facts: UNCHANGED) as made:
        (found,) = made.outcomes("b")
    assert made.decoders.count == 1
    assert isinstance(found, Embedded)
    assert found.facts.sha256 == sha256("b")


def test_an_image_not_modified_is_fetched_again_if_its_embedding_is_not_found() -> None:
    with setup(Fetchers(not_modified=True), find_facts=lambda ref: EARLIER) as made:
        (found,) = made.outcomes("a")
    assert made.fetchers.requests == [("a", EARLIER), ("a", None)]
    assert made.decoders.count == 1
    assert isinstance(found, Embedded)


def test_pictures_that_are_decoded_at_the_same_time_share_a_batch() -> None:
    with setup(decoders=Decoders(together=4), batch_size=4, batch_wait=60) as made:
        made.outcomes("a", "b", "c", "d", "e", "f", "g", "h")
    assert made.model.batches == [4, 4]


def test_a_picture_does_not_wait_for_others_if_none_is_being_decoded() -> None:
    with setup(batch_size=4, batch_wait=60) as made:
        began = time.monotonic()
        for url in ("a", "damaged", "b"):
            made.outcomes(url)
    assert time.monotonic() - began < 30
    assert made.model.batches == [1, 1]


def test_an_error_of_the_model_is_raised_by_run() -> None:
    model = Model(RuntimeError("no memory"))
    with setup(model=model) as made, pytest.raises(RuntimeError, match="no memory"):
        made.outcomes("a")


def test_an_error_of_the_source_is_raised_after_the_outcomes_before_it() -> None:
    def refs() -> Iterator[ImageRef]:
        yield ImageRef("1", "a")
        yield ImageRef("2", "b")
        raise InputError("line 3 is broken")

    found = []
    with setup() as made, pytest.raises(InputError, match="line 3"):
        for outcome in made.pipeline.run(refs()):
            found.append(outcome)
    assert [outcome.ref.id for outcome in found if outcome is not None] == ["1", "2"]


def test_run_stops_and_yields_what_is_complete() -> None:
    stop = threading.Event()
    taken = 0

    def refs() -> Iterator[ImageRef]:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield ImageRef(str(number), f"{number}")

    with setup() as made:
        for number, _outcome in enumerate(made.pipeline.run(refs(), stop)):
            if number == 10:
                stop.set()
    assert taken < 100_000


def test_submitted_bytes_are_not_fetched() -> None:
    with setup() as made:
        fetched = make_fetched(b"upload", final_url="")
        found = made.pipeline.submit(ImageRef("u", ""), fetched).result(10)
    assert made.fetchers.requests == []
    assert isinstance(found, Embedded)
    assert found.facts.byte_count == 6
