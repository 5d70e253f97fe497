"""Renders pictures of an index for a browser: larger than thumbnails, for those who look at one."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace

from vecsim.decode import DecoderPool
from vecsim.engines.options import WorkOptions
from vecsim.errors import FailureKind, ImageError
from vecsim.fetch import UrlFetcher, parse_address
from vecsim.records import ImageRef, Preparation

SIDES = {"card": 640, "full": 4096}
"""Pixels of the longer side at most, by the size that is asked for."""

_AT_ONCE = 4
"""Pictures that are fetched and decoded at a time: each may take some hundred megabytes."""

_NO_MODEL = Preparation(8, "nearest")


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
