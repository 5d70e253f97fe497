"""Pictures for the web server: embeds those of requests, renders those of an index.

Requests come one by one, from many threads, as long as the server runs.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace

from vecsim.decode import DecoderPool
from vecsim.engines.engine import WorkOptions
from vecsim.errors import FailureKind, ImageError
from vecsim.fetch import FetchPool, UrlFetcher, make_fetched, parse_address
from vecsim.machine import usable_cores
from vecsim.pipeline import Pipeline, PipelineOptions, Wanted
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Embedded, Failure, ImageRef

# Seconds that a picture waits for others to fill its batch: little beside the time of decoding, and
# requests that arrive together are decoded together.
BATCH_WAIT = 0.002

_TINY_GIF = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")
_PICTURES_TO_START = 4  # the first process to start may take several: enough that each gets one

_BYTES_IN_FLIGHT = 512 << 20
"""So many that clients wait for their turn of the decoders, not for room: the server limits what
they send, and how many URLs they ask for at a time."""

Outcome = Embedded | Failure

SIDES = {"card": 640, "full": 4096}
"""Pixels of the longer side at most, by the size that is asked for."""

_VECTOR_AND_THUMBNAIL = Wanted()

_AT_ONCE = 4
"""Pictures that are fetched and decoded at a time: each may take some hundred megabytes."""

_NO_MODEL = Preparation(8, "nearest")


class RequestEmbedder:
    """A model, its decoder processes and its connections, shared by all requests.

    Outcomes are not cached: the picture behind a URL, and the errors of a host, may change.
    """

    def __init__(self, embedder: Embedder, work: WorkOptions, *, thumbnails: bool = False) -> None:
        """Start the processes. `thumbnails`: whether thumbnails are made, where wanted."""
        with ExitStack() as stack:
            fetcher = UrlFetcher(work.fetch)
            stack.callback(fetcher.close)
            fetchers = FetchPool(fetcher)
            stack.callback(fetchers.close, wait=False)
            cores = usable_cores()
            decoders = DecoderPool(
                cores, embedder.preparation, work.limits, thumbnails=thumbnails, prefetch=1
            )
            stack.callback(decoders.close, wait=False)
            # Processes start with their first picture, and no request should wait for that.
            for _ in range(cores * _PICTURES_TO_START):
                decoders.submit(_TINY_GIF)
            self._pipeline = Pipeline(
                fetchers,
                decoders,
                embedder,
                PipelineOptions(
                    batch_size=work.batch_size,
                    batch_wait=BATCH_WAIT,
                    cache_size=0,
                    bytes_in_flight=_BYTES_IN_FLIGHT,
                ),
            )
            stack.callback(self._pipeline.close)
            self._resources = stack.pop_all()

    def fetch(self, ref: ImageRef, wanted: Wanted = _VECTOR_AND_THUMBNAIL) -> Future[Outcome]:
        """Start to fetch the picture behind an http(s) URL, and embed it.

        Raises `ImageError` "bad-url" for other addresses.
        """
        if parse_address(ref.url).path is not None:
            raise ImageError(
                FailureKind.BAD_URL, f"{ref.url}: only http and https URLs are fetched here"
            )
        return self._pipeline.submit(ref, wanted=wanted)

    def take(
        self, ref: ImageRef, data: bytes, wanted: Wanted = _VECTOR_AND_THUMBNAIL
    ) -> Future[Outcome]:
        """Start to embed the picture in the bytes `data` of an image file."""
        return self._pipeline.submit(ref, make_fetched(data, final_url=""), wanted)

    def close(self) -> None:
        """End processes and connections; pictures in progress fail."""
        self._resources.close()


class PictureRenderer:
    """Fetches originals and renders them as WebP, in decoder processes that may crash.

    Nothing is cached or stored. Thread-safe. The processes start with the first picture.
    """

    def __init__(self, work: WorkOptions) -> None:
        """`work`: limits of fetching and decoding. With `public_only`, no URL of a private network
        is fetched; files of this machine are read in any case.
        """
        with ExitStack() as stack:
            self._web = UrlFetcher(work.fetch)
            stack.callback(self._web.close)
            self._files = UrlFetcher(replace(work.fetch, public_only=False))
            stack.callback(self._files.close)
            self._decoders = {}
            for size, side in SIDES.items():
                pool = DecoderPool(1, _NO_MODEL, work.limits, thumbnails=True, thumbnail_side=side)
                stack.callback(pool.close, wait=False)
                self._decoders[size] = pool
            self._slots = threading.BoundedSemaphore(_AT_ONCE)
            self._resources = stack.pop_all()

    def render(self, ref: ImageRef, sha256: str, size: str) -> bytes:
        """Return an image of an index as WebP, no larger than `SIDES[size]`.

        Only bytes that were indexed are shown, those with this SHA-256: an index from an
        untrusted source must not expose other files of this machine. Raises `ImageError`.
        """
        if not sha256:
            raise ImageError(FailureKind.CHANGED, "only the vector of this image is known")
        with self._slots:
            is_file = parse_address(ref.url).path is not None
            fetched = (self._files if is_file else self._web).fetch(ref.url)
            if fetched.facts.sha256 != sha256:
                raise ImageError(
                    FailureKind.CHANGED, "the picture there now is not the one that was indexed"
                )
            webp = self._decoders[size].submit(fetched.data).result().thumbnail
        if not webp:
            raise ImageError(FailureKind.DAMAGED, "it cannot be rendered")
        return webp

    def close(self) -> None:
        """End processes and connections."""
        self._resources.close()
