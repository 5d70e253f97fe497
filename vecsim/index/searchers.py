"""Searchers: blocks of queries are searched in one snapshot, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Protocol, TypeAlias

from vecsim.index.snapshot import Snapshot
from vecsim.orientations import AS_IT_IS
from vecsim.records import Int64
from vecsim.results import Pairs
from vecsim.search.blocks import QueryVectors
from vecsim.search.bounds import MakeBounds
from vecsim.search.products import thread_pool

LARGEST_BLOCK = 4_096  # queries

# Called without arguments: waits for a search and returns its pairs.
PendingPairs: TypeAlias = Callable[[], Pairs]


class Searcher(Protocol):
    """Searches blocks of queries in one snapshot, at one threshold."""

    @property
    def threshold(self) -> float:
        """The lowest score of a pair."""

    @property
    def max_pending(self) -> int:
        """How many blocks may be in progress at once."""

    @property
    def max_block_size(self) -> int:
        """How many queries a block has at most."""

    def submit(
        self, queries: QueryVectors, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> PendingPairs:
        """Start a `Snapshot.range_search` with these arguments."""

    def close(self) -> None:
        """Drop what is in progress; it can be used again."""


class LocalSearcher:
    """Searches on all cores of this machine, the next block while results of one are used."""

    max_pending = 2

    def __init__(
        self,
        references: Snapshot,
        threshold: float,
        bounds: MakeBounds | None = None,
        max_block_size: int = LARGEST_BLOCK,
    ) -> None:
        """`bounds`: how cosines are bounded, if not in the way that is fastest on the processor."""
        self._references = references
        self._bounds = bounds
        self.max_block_size = max_block_size
        self.threshold = threshold
        self._open = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        self._pending = 0

    def submit(
        self, queries: QueryVectors, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> PendingPairs:
        """Start to search; the function returned waits for the pairs."""
        if self._pool is None:
            self._pool = self._open.enter_context(thread_pool())
        found = self._references.range_search_tasks(
            queries, self.threshold, after=after, only=only, code=code, bounds=self._bounds
        )
        futures = [self._pool.submit(task) for task in found]
        self._pending += 1

        def wait() -> Pairs:
            pairs = Pairs.concatenate([future.result() for future in futures])
            self._pending -= 1
            if not self._pending:
                self.close()  # meanwhile BLAS may use its own threads
            return pairs

        return wait

    def close(self) -> None:
        """Wait for what runs at this moment, and drop what would run next."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._pending = 0
        self._open.close()
