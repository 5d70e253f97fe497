"""Finds images by the SHA-256 of their bytes, from many threads: known bytes are not embedded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from vecsim.catalog import Catalog, ImageRow, ThumbnailStore
from vecsim.index.layout import IndexFolder
from vecsim.records import Float32
from vecsim.segments import Segment


class ImagesByHash:
    """Finds a committed image with given bytes. Has connections of its own; `close` them."""

    def __init__(self, folder: IndexFolder, segments: Callable[[], Sequence[Segment]]) -> None:
        """`segments`: returns the segments that are open now; it may lag behind the catalog."""
        self._catalog = Catalog.open(folder.catalog, shared=True)
        self._thumbnails = ThumbnailStore(folder.thumbnails)
        self._segments = segments
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._catalog.close()
            self._thumbnails.close()

    def find(self, sha256: str) -> tuple[ImageRow, Float32, bytes] | None:
        """Return a live image with these bytes: its row, vector (dim,) and thumbnail (or b"").

        Returns None if there is none, and also while its segment is not open here yet: embedding
        the bytes again gives the same vector.
        """
        with self._lock:
            row = self._catalog.images.by_sha256(sha256)
            if row is None:
                return None
            thumbnail = self._thumbnails.get([row.key]).get(row.key, b"")
        for segment in self._segments():
            _, rows = segment.rows_of(np.array([row.key]))
            if len(rows):
                return row, np.array(segment.vectors[rows[0]]), thumbnail
        return None
