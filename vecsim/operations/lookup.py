"""What an index knows of bytes, in the form that a pipeline asks for."""

from __future__ import annotations

from collections.abc import Callable

from vecsim.index import ImagesByHash
from vecsim.pipeline import EmbeddingLookup, KnownEmbedding


def as_lookup(
    known: ImagesByHash, seen: Callable[[], None] = lambda: None, *, thumbnails: bool = True
) -> EmbeddingLookup:
    """`known` in the form that a pipeline asks for; `seen` is called for each vector found."""

    def lookup(sha256: str) -> KnownEmbedding | None:
        found = known.find(sha256)
        if found is None:
            return None
        seen()
        row, vector, thumbnail = found
        return KnownEmbedding(vector, row.facts, thumbnail if thumbnails else b"")

    return lookup
