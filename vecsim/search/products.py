"""Products of matrices: float32 and bfloat16 vectors, int8 codes exactly; the search threads.

NumKong picks its int8 kernel (AMX, VNNI, NEON, ...) when it runs. Where it is not installed, or
does not agree with NumPy on a few numbers, float32 products of the codes are used: with up to
`MAX_CODES` codes per row, every sum is a whole number below 2^24, which float32 holds exactly.

The search has one thread per core, while BLAS keeps to the thread that calls it. NumPy's BLAS has
threads of its own, which keep spinning for a tenth of a second after a product in case another one
follows. During a search they would take the cores from the search's threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from vecsim.machine import usable_cores
from vecsim.records import Float32


def _import_numkong() -> Any:
    """Return NumKong, or None where there is no wheel for this machine."""
    try:
        import numkong
    except ImportError:
        return None
    return numkong


numkong = _import_numkong()

Int8: TypeAlias = npt.NDArray[np.int8]
Int32: TypeAlias = npt.NDArray[np.int32]
BFloat16: TypeAlias = npt.NDArray[np.uint16]  # their bits

MAX_CODES = 1024  # codes per row: 127 * 127 * 1024 < 2^24


def aligned(vectors: Float32) -> Float32:
    """Return `vectors` (n, d) in aligned rows: a copy if they are not, as in a mapped segment file.

    NumPy multiplies others without BLAS, three times as slowly.
    """
    return np.require(vectors, requirements=["C", "A"])


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


class PackedFloat32:
    """Vectors float32 (n, d), aligned, for products with many others."""

    def __init__(self, vectors: Float32) -> None:
        self.count = len(vectors)
        self._columns = aligned(vectors).T

    def products(self, rows: Float32, buffer: npt.NDArray[Any]) -> Float32:
        """Return the products of `rows` (m, d) with the packed ones: float32 (m, n).

        The result is a view of `buffer`, which holds at least m * n numbers.
        """
        out: Float32 = buffer[: len(rows) * self.count].reshape(len(rows), self.count)
        return np.matmul(rows, self._columns, out=out)


def to_bfloat16(vectors: Float32) -> BFloat16:
    """Round float32 (n, d) to the nearest bfloat16, whose bits are returned as uint16 (n, d)."""
    bits = np.ascontiguousarray(vectors).view(np.uint32) + np.uint32(0x8000)
    return np.ascontiguousarray((bits >> np.uint32(16)).astype(np.uint16))


class PackedBFloat16:
    """Vectors float32 (n, d), rounded to bfloat16, for products with others on matrix units."""

    def __init__(self, vectors: Float32) -> None:
        self.count = len(vectors)
        self._packed = numkong.dots_pack(_as_tensor(to_bfloat16(vectors)), dtype="bf16")

    def products(self, rows: BFloat16, buffer: npt.NDArray[Any]) -> Float32:
        """Return the products of `rows` (m, d), bfloat16, with the packed ones: float32 (m, n).

        The result is a view of `buffer`, which holds at least m * n numbers.
        """
        out: Float32 = buffer[: len(rows) * self.count].reshape(len(rows), self.count)
        if out.size:
            numkong.dots_packed(_as_tensor(rows), self._packed, out=numkong.from_dlpack(out))
        return out


def _as_tensor(rows: BFloat16) -> Any:
    return numkong.from_pointer(rows.ctypes.data, rows.shape, "bf16", owner=rows)


def _fast_bfloat16() -> bool:
    """Return whether this processor has matrix units for bfloat16, and NumKong agrees with NumPy.

    Elsewhere products in float32 are about as fast.
    """
    if numkong is None or not numkong.get_capabilities().get("sapphireamx"):
        return False
    for width in (1, 31, 64, 200):
        # Whole numbers up to 127 are exact in bfloat16, and sums of their products in float32.
        left, right = _mixed_codes(width).astype(np.float32)
        found = PackedBFloat16(right).products(to_bfloat16(left), np.empty(37 * 37, np.float32))
        if (found != left @ right.T).any():
            return False
    return True


def kernel_features() -> list[str] | None:
    """Return the instruction sets that NumKong chooses from here; None where it is not used."""
    if numkong is None:
        return None
    return [name for name, available in numkong.get_capabilities().items() if available]


def _mixed_codes(width: int) -> Int8:
    """Return two matrices of mixed codes: int8 (2, 37, width)."""
    # Knuth's multiplicative hash; importing `numpy.random` would take longer than the check.
    mixed = (np.arange(2 * 37 * width, dtype=np.uint32) * np.uint32(2_654_435_761)) >> 8
    return (mixed % 255 - 127).astype(np.int8).reshape(2, 37, width)


def _numkong_agrees() -> bool:
    """Compare NumKong with NumPy on a few products: a wrong kernel would make results inexact."""
    for width in (1, 63, 64, 200):
        left, right = _mixed_codes(width)
        expected = left.astype(np.int32) @ right.astype(np.int32).T
        if (PackedCodes(right).products(left, np.empty((37, 37), np.int32)) != expected).any():
            return False
    return True


if numkong is not None and not _numkong_agrees():  # pragma: no cover
    numkong = None

HAS_FAST_BFLOAT16 = _fast_bfloat16()


# -- threads: one per core, while BLAS keeps to the thread that calls it -----------------------


def _thread_count() -> int:
    """Return OMP_NUM_THREADS, which Ray sets to a worker's share, or else all usable cores."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdecimal() and int(limit) else usable_cores()


THREAD_COUNT = _thread_count()


@contextmanager
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool with one thread per core; meanwhile BLAS is single-threaded."""
    with ThreadPoolExecutor(THREAD_COUNT) as pool, single_threaded_blas():
        yield pool


def single_threaded_blas() -> AbstractContextManager[object]:
    """Limit BLAS to the calling thread, in the whole process, for the duration of the block.

    Several threads may do so at the same time: threadpoolctl restores the state before the first.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
