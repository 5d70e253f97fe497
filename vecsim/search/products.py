"""The plain path: float32 products of all pairs, in tiles that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vecsim.records import Float32

TILE_QUERIES = 512
TILE_REFERENCES = 2048


def products(
    queries: Float32, references: Float32, first: int = 0
) -> Iterator[tuple[int, int, Float32]]:
    """Products of all pairs: (query row, reference row, products of the tile that starts there).

    `queries` (q, d), `references` (n, d), of which rows below `first` are left out. A tile is
    valid until the next is asked for, and may be overwritten by who asked for it.
    References are the outer loop: they may come from disk and are read once.
    """
    room = np.empty(TILE_QUERIES * TILE_REFERENCES, np.float32)
    width = len(room) // max(1, min(len(queries), TILE_QUERIES))
    for reference in range(first, len(references), width):
        part = references[reference : reference + width]
        for query in range(0, len(queries), TILE_QUERIES):
            rows = queries[query : query + TILE_QUERIES]
            tile = room[: len(rows) * len(part)].reshape(len(rows), len(part))
            np.matmul(rows, part.T, out=tile)
            yield query, reference, tile
