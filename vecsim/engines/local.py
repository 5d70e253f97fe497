"""The engine of one machine: threads to fetch, processes to decode, a thread to embed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from vecsim.decode import DecodeLimits, DecoderPool, decode_image
from vecsim.engines.options import WorkOptions
from vecsim.fetch import FetchPool, UrlFetcher
from vecsim.pipeline import Pipeline
from vecsim.pipeline.known import Lookup
from vecsim.protocols import Embedder
from vecsim.records import Decoded, Preparation


@contextmanager
def local_pipeline(
    embedder: Embedder,
    work: WorkOptions,
    lookup: Lookup,
    *,
    few: bool = False,
    unit: bool = True,
    thumbnails: bool = False,
) -> Iterator[Pipeline]:
    """A pipeline on all cores of this machine; it ends with the block.

    `few`: for a handful of pictures, which are decoded right here: starting a process for them
    would take longer than all the rest. `unit`: whether vectors get the length 1. `thumbnails`:
    whether a small picture is made of each.
    """
    preparation = replace(embedder.preparation, thumbnail=thumbnails)
    with ExitStack() as stack:
        fetcher = UrlFetcher(work.fetch)
        stack.callback(fetcher.close)
        fetchers = FetchPool(fetcher)
        stack.callback(fetchers.close, wait=False)
        decoders: DecoderPool | _DecodeHere
        if few:
            decoders = _DecodeHere(preparation, work.limits)
        else:
            cores = os.cpu_count() or 1
            decoders = stack.enter_context(DecoderPool(cores, preparation, work.limits))
        pipeline = Pipeline(
            fetchers,
            decoders,
            embedder,
            batch_size=work.batch_size,
            lookup=lookup,
            unit=unit,
        )
        stack.callback(pipeline.close)
        yield pipeline


class _DecodeHere:
    """Decodes in the calling thread."""

    def __init__(self, preparation: Preparation, limits: DecodeLimits) -> None:
        self._preparation = preparation
        self._limits = limits

    def submit(self, data: bytes) -> Future[Decoded]:
        future: Future[Decoded] = Future()
        try:
            future.set_result(decode_image(data, self._preparation, self._limits))
        except Exception as error:
            future.set_exception(error)
        return future
