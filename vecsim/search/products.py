"""Products of matrices: float32 vectors in tiles, and int8 codes exactly.

NumKong picks its int8 kernel (AMX, VNNI, NEON, ...) when it runs. Where it is not installed, or
does not agree with NumPy on a few numbers, float32 products of the codes are used: with up to
`MAX_CODES` codes per row, every sum is a whole number below 2^24, which float32 holds exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecsim.records import Float32

try:
    import numkong
except ImportError:  # no wheel for this machine
    numkong = None  # type: ignore[assignment]

Int8: TypeAlias = npt.NDArray[np.int8]
Int32: TypeAlias = npt.NDArray[np.int32]

MAX_CODES = 1024  # codes per row: 127 * 127 * 1024 < 2^24
FLOAT_TILE_QUERIES = 512
FLOAT_TILE_REFERENCES = 2048


def float32_tiles(
    queries: Float32, references: Float32, first: int = 0
) -> Iterator[tuple[int, int, Float32]]:
    """Yield the products of all pairs in tiles: (first query row, first reference row, tile).

    `queries` (q, d), `references` (n, d), of which rows below `first` are skipped. The caller may
    overwrite a tile; the next one uses the same memory. References are the outer loop: they may be
    mapped from disk and are read once.
    """
    buffer = np.empty(FLOAT_TILE_QUERIES * FLOAT_TILE_REFERENCES, np.float32)
    width = len(buffer) // max(1, min(len(queries), FLOAT_TILE_QUERIES))
    for reference in range(first, len(references), width):
        part = references[reference : reference + width]
        for query in range(0, len(queries), FLOAT_TILE_QUERIES):
            rows = queries[query : query + FLOAT_TILE_QUERIES]
            tile = buffer[: len(rows) * len(part)].reshape(len(rows), len(part))
            np.matmul(rows, part.T, out=tile)
            yield query, reference, tile


class PackedCodes:
    """Codes int8 (n, w), -127 to 127, laid out for products with many others; w <= `MAX_CODES`."""

    def __init__(self, codes: Int8) -> None:
        self.count = len(codes)
        self._packed: Any
        if numkong is None:
            self._packed = codes.astype(np.float32).T
        else:
            self._packed = numkong.dots_pack(np.ascontiguousarray(codes), dtype="int8")

    def products(self, codes: Int8, buffer: Int32) -> Int32:
        """Return the products of `codes` (m, w) with the packed ones: int32 (m, n), exact.

        The result is a view of `buffer`, which holds at least m * n numbers.
        """
        out = buffer.reshape(-1)[: len(codes) * self.count].reshape(len(codes), self.count)
        if numkong is None:
            out[...] = codes.astype(np.float32) @ self._packed
        elif out.size:
            numkong.dots_packed(codes, self._packed, out=numkong.from_dlpack(out))
        return out


def kernel_features() -> list[str] | None:
    """Return the instruction sets that NumKong chooses from here; None where it is not used."""
    if numkong is None:
        return None
    return [name for name, available in numkong.get_capabilities().items() if available]


def _numkong_agrees() -> bool:
    """Compare NumKong with NumPy on a few products: a wrong kernel would make results inexact."""
    for width in (1, 63, 64, 200):
        # Knuth's multiplicative hash; importing `numpy.random` would take longer than the check.
        mixed = (np.arange(2 * 37 * width, dtype=np.uint32) * np.uint32(2_654_435_761)) >> 8
        left, right = (mixed % 255 - 127).astype(np.int8).reshape(2, 37, width)
        expected = left.astype(np.int32) @ right.astype(np.int32).T
        if (PackedCodes(right).products(left, np.empty((37, 37), np.int32)) != expected).any():
            return False
    return True


if numkong is not None and not _numkong_agrees():  # pragma: no cover
    numkong = None  # type: ignore[assignment]
