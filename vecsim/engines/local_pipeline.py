"""The pipeline of this machine: threads to fetch, processes to decode, a thread to embed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from vecsim.decode import THUMBNAIL_SIDE, DecodeLimits, DecoderPool
from vecsim.engines.engine import WorkOptions
from vecsim.fetch import FetchPool, UrlFetcher
from vecsim.machine import usable_cores
from vecsim.pipeline import Pipeline, PipelineOptions
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Decoded

_DEFAULTS = PipelineOptions()


@contextmanager
def local_pipeline(
    embedder: Embedder,
    work: WorkOptions,
    options: PipelineOptions = _DEFAULTS,
    *,
    decode_in_process: bool = False,
    thumbnails: bool = False,
    cores: int | None = None,
) -> Iterator[Pipeline]:
    """Open a pipeline on all cores of this machine for the duration of the block.

    `options`: all but the batch size, which is that of `work`. `decode_in_process`: decode in the
    calling thread, for a few pictures, when starting processes would take longer than decoding.
    `thumbnails`: whether a thumbnail is made of each picture. `cores`: how many processes decode,
    by default one for each core.
    """
    preparation = embedder.preparation
    with ExitStack() as stack:
        fetcher = UrlFetcher(work.fetch)
        stack.callback(fetcher.close)
        fetchers = FetchPool(fetcher)
        stack.callback(fetchers.close, wait=False)
        decoders: DecoderPool | _DecodeHere
        if decode_in_process:
            decoders = _DecodeHere(preparation, work.limits, thumbnails)
        else:
            processes = cores or usable_cores()
            decoders = stack.enter_context(
                DecoderPool(processes, preparation, work.limits, thumbnails=thumbnails)
            )
        pipeline = Pipeline(
            fetchers,
            decoders,
            embedder,
            replace(options, batch_size=work.batch_size),
        )
        stack.callback(pipeline.close)
        yield pipeline


class _DecodeHere:
    """Decodes in the calling thread; stands for a `DecoderPool`."""

    def __init__(self, preparation: Preparation, limits: DecodeLimits, thumbnails: bool) -> None:
        from vecsim.decode import decode_image  # imports Pillow, which only decoders need

        self._decode = partial(decode_image, preparation=preparation, limits=limits)
        self._side = THUMBNAIL_SIDE if thumbnails else 0

    def submit(self, data: bytes, client: str = "", *, thumbnail: bool = True) -> Future[Decoded]:
        future: Future[Decoded] = Future()
        try:
            side = self._side if thumbnail else 0
            future.set_result(self._decode(data, thumbnail_side=side))
        except Exception as error:
            future.set_exception(error)
        return future
