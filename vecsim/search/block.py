"""What is searched: reference vectors, with whatever helps to search them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from vecsim.records import Bool, Float32, Int64
from vecsim.search.sketch import Sketch

# (queries (q, d), threshold) -> (query_rows, reference_rows): int64 arrays of one length, every
# pair whose float32 inner product is above the threshold. FAISS's range search, handed in.
Propose: TypeAlias = Callable[[Float32, float], tuple[Int64, Int64]]


@dataclass(frozen=True, slots=True)
class Block:
    """Reference vectors searched as one: a segment, or an array.

    `vectors`: (n, d) unit rows, perhaps a read-only memory map. `propose`: a range search over all
    of them, for where no sketch helps (None: NumPy products). `sketch`: theirs, used where it pays.
    `alive`: (n,), False for a removed row, which is never reported.
    """

    vectors: Float32
    propose: Propose | None = None
    sketch: Sketch | None = None
    alive: Bool | None = None

    def __len__(self) -> int:
        return len(self.vectors)
