"""Candidates from a GPU: products of vectors in half precision, with PyTorch (`vecsim[gpu]`).

The GPU only says which pairs may reach their threshold, with a proven margin; what decides is the
score that every search computes, on the CPU. So the pairs are the same to the last bit.
References stay on the GPU while they fit into half of its memory; the others stream through it,
strip by strip, so that sets may be larger than its memory.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from vecsim.errors import MissingExtraError, UsageError
from vecsim.hints import Action, Hint
from vecsim.records import Float32, Float64, Int64
from vecsim.search.bounds import Bounds, Candidates, Strip, in_order, rounded_down
from vecsim.search.candidates import DENSE_SHARE
from vecsim.search.score import product_margin

try:
    import torch
except ImportError as missing:
    raise MissingExtraError(
        "a search on the GPU needs PyTorch: pip install 'vecsim[gpu]'"
    ) from missing

TILE_QUERIES = 2_048
STRIP_REFERENCES = 32_768  # with the queries above: 200 MB of products and marks at a time
HALF_ROUNDOFF = 2.0**-11
_SHARE_OF_MEMORY = 0.5


class Gpu:
    """A device that PyTorch multiplies matrices on, and the references that it keeps there."""

    def __init__(self, name: str = "cuda", memory: int | None = None) -> None:
        """`name`: of the device, for PyTorch; "cpu" does the same without a GPU. `memory`: bytes of
        references that are kept, by default half of what is free.

        Raises `UsageError` where PyTorch sees no GPU, or its products are not as exact as they
        should be.
        """
        if name == "cuda" and not torch.cuda.is_available():
            raise UsageError(
                "PyTorch sees no GPU on this machine.", hint=Hint(Action.SEARCH_ON_CPU)
            )
        self.device = torch.device(name)
        # Sums of products in half precision would exceed the margin.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        self._room = self._free_memory() if memory is None else memory
        self._kept: dict[tuple[int, int, int], tuple[Float32, Any]] = {}
        self._lock = threading.Lock()
        self._check()

    def _free_memory(self) -> int:
        if self.device.type != "cuda":
            return 1 << 30
        return int(torch.cuda.mem_get_info(self.device)[0] * _SHARE_OF_MEMORY)

    def upload(self, vectors: Float32) -> Any:
        """Return vectors (n, d) in half precision on the device: a tensor."""
        copied = torch.from_numpy(np.array(vectors, np.float32, order="C"))
        return copied.to(self.device).half()

    def strip(self, vectors: Float32, rows: slice) -> Any:
        """Return `vectors[rows]` in half precision on the device, kept there if there is room."""
        key = (vectors.ctypes.data, rows.start, rows.stop)
        with self._lock:
            if key in self._kept:
                return self._kept[key][1]
        part = self.upload(vectors[rows])
        size = part.numel() * part.element_size()
        with self._lock:
            if size <= self._room and key not in self._kept:
                self._room -= size
                self._kept[key] = vectors, part  # the array lives as long as its address is a key
        return part

    def _check(self) -> None:
        """Compare products with exact ones: a device that is less exact would miss pairs."""
        for dim in (64, 768):
            angles = np.arange(1, 256 * dim + 1, dtype=np.float64).reshape(256, dim)
            rows = np.sin(angles) ** 9  # most numbers are small, many below what half can hold
            rows = (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)
            part = self.upload(rows)
            found = (part @ part.T).cpu().numpy().astype(np.float64)
            off = np.abs(found - rows.astype(np.float64) @ rows.astype(np.float64).T).max()
            if not off <= half_margin(dim):
                raise UsageError(
                    f"This GPU multiplies with an error of {off:.2g}, more than is safe.",
                    hint=Hint(Action.SEARCH_ON_CPU),
                )


class HalfBounds:
    """Products of vectors rounded to half precision, on a GPU."""

    tile_queries = TILE_QUERIES
    dtype: type[np.generic] = np.float32

    def __init__(self, gpu: Gpu, queries: Float32, references: Float32) -> None:
        self._gpu = gpu
        self._queries = queries
        self._references = references

    def cutoffs(self, thresholds: Float64) -> Bounds:
        """Return the least product of each query: float32 (q,)."""
        return rounded_down(thresholds - half_margin(self._queries.shape[1]))

    def strip_width(self, queries: int) -> int:
        """Return how many references are multiplied with `queries` queries at a time."""
        return STRIP_REFERENCES

    def arrange(self, order: Int64) -> None:
        """Put the queries on the GPU in the order `order`."""
        self._arranged = self._gpu.upload(in_order(self._queries, order))

    def strip(self, references: slice) -> Strip:
        """Put some references on the GPU."""
        return _Strip(self._gpu, self._arranged, self._gpu.strip(self._references, references))


@dataclass(frozen=True, slots=True)
class _Strip:
    """The arranged queries and one strip of references, on the GPU."""

    gpu: Gpu
    queries: Any
    references: Any

    def candidates(self, top: int, cutoffs: Bounds) -> Candidates:
        """Return where products reach `cutoffs` (m,) of queries from row `top` on."""
        products = self.queries[top : top + len(cutoffs)] @ self.references.T
        least = torch.from_numpy(np.ascontiguousarray(cutoffs)).to(self.gpu.device)
        reached = products >= least[:, None]
        dim = self.queries.shape[1]
        if int(torch.count_nonzero(reached)) > 2 * DENSE_SHARE * dim * reached.numel():
            return None
        rows, columns = torch.nonzero(reached, as_tuple=True)
        return rows.cpu().numpy(), columns.cpu().numpy()


def half_margin(dim: int) -> float:
    """Return how far below a threshold products of vectors rounded to half must be searched.

    Half precision has 11 significant bits down to 2^-14, and below a step of 2^-24: a rounded unit
    vector x' differs from x by at most 2^-11 + sqrt(dim) 2^-25. With
    |x.y - x'.y'| <= |x'||y - y'| + |x - x'||y| (Cauchy and Schwarz) that counts twice. The margin
    of float32 covers the sum, and is doubled for matrix units that cut off instead of rounding;
    the result is rounded to half once more, by at most 2^-11 for products up to 1.
    """
    rounding = HALF_ROUNDOFF + math.sqrt(dim) * 2.0**-25
    return 2 * product_margin(dim) + 2.01 * rounding + 1.01 * HALF_ROUNDOFF
