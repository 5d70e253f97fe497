"""Thumbnails of an index as its readers see them: stored ones, or made of the files when shown.

The kept index of a folder stores none (`FROM_FILES`): most matches of a folder show no picture,
making one takes a fifth of the time of decoding, and the files are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vecsim.catalog import ImageRow, ThumbnailStore
from vecsim.catalog.connection import batches
from vecsim.contained import ContainedPath
from vecsim.errors import ImageError
from vecsim.machine import usable_cores

if TYPE_CHECKING:
    from vecsim.decode import DecoderPool

SETTING = "thumbnails"
"""The setting of an index: "no", `FROM_FILES`, or another text where thumbnails are stored."""

FROM_FILES = "files"


class ShownThumbnails(ThumbnailStore):
    """Stored thumbnails, and a way to make those of local files. Threads must take turns."""

    def __init__(self, path: ContainedPath) -> None:
        super().__init__(path)
        self._pool: DecoderPool | None = None

    def close(self) -> None:
        """Close the file, and end the processes that made thumbnails."""
        super().close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(wait=False)

    def make(self, rows: Iterable[ImageRow]) -> dict[int, bytes]:
        """Make thumbnails of local files with the bytes that were indexed; return them by key.

        Others are left out: of URLs, of files that are gone or changed, and of vectors without an
        image. The files are decoded in processes that may crash.
        """
        made = {}
        for some in batches(rows):
            decoding = {
                row.key: self._decoders().submit(data)
                for row in some
                if (data := _indexed_bytes(row)) is not None
            }
            for key, future in decoding.items():
                if future.exception() is None:
                    made[key] = future.result().thumbnail
        return made

    def _decoders(self) -> DecoderPool:
        """Return the processes that decode, which are started with the first file."""
        if self._pool is None:
            from vecsim.decode import THUMBNAIL_SIDE, DecoderPool
            from vecsim.protocols import Preparation

            preparation = Preparation(THUMBNAIL_SIDE, "smooth")
            self._pool = DecoderPool(usable_cores(), preparation, thumbnails=True)
        return self._pool


def _indexed_bytes(row: ImageRow) -> bytes | None:
    """Return the bytes of a local file if they are those that were indexed."""
    from vecsim.fetch.address import parse_address
    from vecsim.fetch.content import read_file
    from vecsim.fetch.options import FetchOptions

    try:
        path = parse_address(row.ref.url).path
        if path is None or not row.facts.sha256:
            return None
        fetched = read_file(path, row.ref.url, FetchOptions().max_bytes)
    except ImageError:
        return None
    return fetched.data if fetched.facts.sha256 == row.facts.sha256 else None
