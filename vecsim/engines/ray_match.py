"""Matching on a cluster: one task for each block of queries and each segment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from vecsim.engines.options import EngineOptions
from vecsim.engines.ray_cluster import first_line, worker_count
from vecsim.engines.ray_worker import SegmentFile, search_file
from vecsim.errors import ClusterError, StorageError
from vecsim.index import Snapshot
from vecsim.index.generation import search_segment
from vecsim.records import Bool, Float32, Int64, Pairs
from vecsim.segments import Segment

# How often a task is begun again that its worker or node took with it.
_RETRIES = 10


class RaySearcher:
    """Searches one snapshot, whose segments all nodes must see under the same path.

    Results wait in the cluster's memory until their turn comes, so that neither the size of the
    cluster nor the order in which tasks end, nor a retry, shows in the result.
    """

    max_block_size = 2_048

    def __init__(self, references: Snapshot, threshold: float, options: EngineOptions) -> None:
        self._references = references
        self._threshold = threshold
        self._options = options
        self._task = ray.remote(search_file).options(
            num_cpus=options.cpus_per_worker, max_retries=_RETRIES
        )
        folder = references.folder
        self._segments, self._sketches = folder.segments.resolve(), folder.sketches.resolve()
        # Which rows count, by segment and by whether only some references are asked for.
        self._alive: dict[tuple[str, bool], Any] = {}

    @property
    def max_pending(self) -> int:
        """Blocks that keep each worker busy with one task while the next one waits."""
        return 1 + 2 * worker_count(self._options) // max(1, len(self._references.segments))

    def submit(self, queries: Float32, after: int, only: Int64 | None) -> Callable[[], Pairs]:
        """Begin a task for each segment."""
        shared = ray.put(queries)
        tasks = []
        for segment, alive, first in self._references.segments_to_search(after, only):
            rows = self._share(segment, alive, only is not None)
            file = self._file(segment)
            task = self._task.remote(file, rows, shared, self._threshold, first)
            tasks.append((task, segment, alive, first))

        def found() -> Pairs:
            return Pairs.concatenate(
                [
                    self._result(task, queries, segment, alive, first)
                    for task, segment, alive, first in tasks
                ]
            )

        return found

    def _result(
        self, task: Any, queries: Float32, segment: Segment, alive: Bool | None, first: int
    ) -> Pairs:
        try:
            pairs: Pairs = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, FileNotFoundError):
                raise error.cause from error
            path = self._segments / segment.name
            if path.exists():
                raise StorageError(
                    f"{path}: a node of the cluster has no such file. The index must be on "
                    f"storage that all nodes see under this path."
                ) from error
            # A writer has merged it into another; it is open here all the same.
            return search_segment(segment, None, alive, queries, self._threshold, first)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the cluster lost a piece of the match {_RETRIES} times ({first_line(error)}). "
                f"Look after its nodes (`ray status`), and run the same command again."
            ) from error
        return pairs

    def _share(self, segment: Segment, alive: Bool | None, some: bool) -> Any:
        """`alive` in the cluster's memory, put there once."""
        if alive is None:
            return None
        name = (segment.name, some)
        if name not in self._alive:
            self._alive[name] = ray.put(alive)
        return self._alive[name]

    def _file(self, segment: Segment) -> SegmentFile:
        count, dim = segment.vectors.shape
        path = Path(self._segments, segment.name)
        return SegmentFile(path, self._sketches, segment.data.nbytes, count, dim)
