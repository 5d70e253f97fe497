"""One search over several blocks: one after the other, or on all cores at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vecsim.search.cores import THREADS, all_cores
from vecsim.search.single import FEW

B = TypeVar("B")
F = TypeVar("F")


def each(work: Callable[[B], F], blocks: Sequence[B], queries: int) -> list[F]:
    """What `work` finds in each block, in their order.

    A few queries are searched one by one, which keeps one core busy a block: so several blocks are
    searched at once. Many queries fill all cores with every block.
    """
    if queries > FEW or len(blocks) < 2 or THREADS < 2:
        return list(map(work, blocks))
    with all_cores() as pool:
        return list(pool.map(work, blocks))
