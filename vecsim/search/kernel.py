"""Inner products of codes: int8 in, exact whole numbers out, as fast as the processor can.

NumKong picks its kernel (AMX, VNNI, NEON, ...) when it runs. Where it is not installed, or does not
agree with NumPy on a few numbers, float32 products serve: whole numbers below 2^24 are exact there.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

try:
    import numkong
except ImportError:  # no wheel for this machine
    numkong = None  # type: ignore[assignment]

Int8: TypeAlias = npt.NDArray[np.int8]
Int32: TypeAlias = npt.NDArray[np.int32]


WIDEST = 1024  # 127 * 127 * 1024 < 2^24


class Packed:
    """Codes (n, w) laid out for products with many others; w <= 1024."""

    def __init__(self, codes: Int8) -> None:
        self.count = len(codes)
        self._packed: Any
        if numkong is None:
            self._packed = codes.astype(np.float32).T
        else:
            self._packed = numkong.dots_pack(np.ascontiguousarray(codes), dtype="int8")

    def products(self, codes: Int8, room: Int32) -> Int32:
        """The products of `codes` (m, w) with the packed ones: (m, n), in the memory of `room`.

        `room` holds at least m * n numbers.
        """
        out = room.reshape(-1)[: len(codes) * self.count].reshape(len(codes), self.count)
        if numkong is None:
            out[...] = codes.astype(np.float32) @ self._packed
        elif out.size:
            numkong.dots_packed(codes, self._packed, out=numkong.from_dlpack(out))
        return out


def _agrees() -> bool:
    """Whether NumKong multiplies as NumPy does: cheap insurance for exactness."""
    for width in (1, 63, 64, 200):
        # Knuth's multiplicative hash: importing `numpy.random` would take longer than all of this.
        mixed = (np.arange(2 * 37 * width, dtype=np.uint32) * np.uint32(2_654_435_761)) >> 8
        left, right = (mixed % 255 - 127).astype(np.int8).reshape(2, 37, width)
        truth = left.astype(np.int32) @ right.astype(np.int32).T
        if (Packed(right).products(left, np.empty((37, 37), np.int32)) != truth).any():
            return False
    return True


def kernel_features() -> list[str] | None:
    """The instructions that NumKong chooses from on this machine; None where it is not in use."""
    if numkong is None:
        return None
    return [name for name, there in numkong.get_capabilities().items() if there]


if numkong is not None and not _agrees():  # pragma: no cover
    numkong = None  # type: ignore[assignment]
