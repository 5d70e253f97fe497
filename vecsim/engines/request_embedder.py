"""Embeds pictures for a server: they come one by one, from many threads, as long as it runs."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack

from vecsim.decode import DecoderPool
from vecsim.engines.options import WorkOptions
from vecsim.errors import FailureKind, ImageError
from vecsim.fetch import FetchPool, UrlFetcher, make_fetched, parse_address
from vecsim.machine import usable_cores
from vecsim.pipeline import Pipeline, PipelineOptions
from vecsim.protocols import Embedder
from vecsim.records import Embedded, Failure, ImageRef

# Seconds that a picture waits for others to fill its batch: little beside the time of decoding, and
# requests that arrive together are decoded together.
BATCH_WAIT = 0.002

_TINY_GIF = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")
_PICTURES_TO_START = 4  # a process takes several pictures ahead: enough that each gets one

Outcome = Embedded | Failure


class RequestEmbedder:
    """A model, its decoder processes and its connections, shared by all requests.

    Outcomes are not cached: the picture behind a URL, and the errors of a host, may change.
    """

    def __init__(self, embedder: Embedder, work: WorkOptions, *, thumbnails: bool = False) -> None:
        """Start the processes. `thumbnails`: whether a thumbnail is made of each picture."""
        with ExitStack() as stack:
            fetcher = UrlFetcher(work.fetch)
            stack.callback(fetcher.close)
            fetchers = FetchPool(fetcher)
            stack.callback(fetchers.close, wait=False)
            cores = usable_cores()
            decoders = DecoderPool(cores, embedder.preparation, work.limits, thumbnails=thumbnails)
            stack.callback(decoders.close, wait=False)
            # Processes start with their first picture, and no request should wait for that.
            for _ in range(cores * _PICTURES_TO_START):
                decoders.submit(_TINY_GIF)
            self._pipeline = Pipeline(
                fetchers,
                decoders,
                embedder,
                PipelineOptions(batch_size=work.batch_size, batch_wait=BATCH_WAIT, cache_size=0),
            )
            stack.callback(self._pipeline.close)
            self._resources = stack.pop_all()

    def fetch(self, ref: ImageRef) -> Future[Outcome]:
        """Start to fetch and embed the picture behind an http(s) URL.

        Raises `ImageError` "bad-url" for other addresses.
        """
        if parse_address(ref.url).path is not None:
            raise ImageError(
                FailureKind.BAD_URL, f"{ref.url}: only http and https URLs are fetched here"
            )
        return self._pipeline.submit(ref)

    def take(self, ref: ImageRef, data: bytes) -> Future[Outcome]:
        """Start to embed the picture in the bytes `data` of an image file."""
        return self._pipeline.submit(ref, make_fetched(data, final_url=""))

    def close(self) -> None:
        """End processes and connections; pictures in progress fail."""
        self._resources.close()
