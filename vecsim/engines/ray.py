"""The Ray engine: workers of a cluster embed and search; this process reads, orders and commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vecsim.contained import ContainedPath
from vecsim.engines.engine import EngineOptions, Job
from vecsim.errors import ClusterError, MissingExtraError, StorageError
from vecsim.index import Snapshot
from vecsim.index.generation import search_segment
from vecsim.orientations import AS_IT_IS
from vecsim.records import Bool, Float32, Int64
from vecsim.results import Pairs
from vecsim.search.blocks import QueryVectors, as_queries
from vecsim.segments import Segment

try:
    import ray
except ImportError as missing:
    raise MissingExtraError(
        "the Ray engine needs Ray, on this machine and on all of the cluster: "
        "pip install 'vecsim[ray]'"
    ) from missing

from vecsim.engines.ray_build import RayOutcomes, first_line, worker_count
from vecsim.engines.ray_connection import connected
from vecsim.engines.ray_worker import SegmentFile, search_file

# How often a search task is restarted after its worker or node died.
_RETRIES = 10


class RayEngine:
    """Connects to a running cluster for the duration of a job."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options

    @contextmanager
    def embedding(self, job: Job) -> Iterator[RayOutcomes]:
        """Embed on workers with loaded models, as many as fit into the cluster at each time."""
        with connected(self._options.ray_address):
            outcomes = RayOutcomes(job, self._options)
            try:
                yield outcomes
            finally:
                outcomes.close()

    @contextmanager
    def searching(self, references: Snapshot, threshold: float) -> Iterator[RaySearcher]:
        """Search in tasks that read the segments from storage that all nodes share."""
        with connected(self._options.ray_address):
            yield RaySearcher(references, threshold, self._options)


class RaySearcher:
    """Searches one snapshot, whose segments all nodes must see under the same path.

    One task searches one segment for one block of queries. Results wait in the cluster's memory
    until they are asked for in order, so the result does not depend on the size of the cluster, on
    the order in which tasks end, or on retries.
    """

    max_block_size = 2_048

    def __init__(self, references: Snapshot, threshold: float, options: EngineOptions) -> None:
        self._references = references
        self.threshold = threshold
        self._options = options
        self._task = ray.remote(search_file).options(
            num_cpus=options.cpus_per_worker, max_retries=_RETRIES
        )
        folder = references.folder
        self._segments, self._sketches = folder.segments.resolved(), folder.sketches.resolved()
        self._orientations = folder.orientations.resolved()
        # Masks of live rows in the cluster's memory, by segment and by whether only some
        # references are searched.
        self._alive: dict[tuple[str, bool], Any] = {}

    @property
    def max_pending(self) -> int:
        """How many blocks keep each worker busy with one task while the next one waits."""
        return 1 + 2 * worker_count(self._options) // max(1, len(self._references.segments))

    def close(self) -> None:
        """Do nothing: searches without a waiting caller end by themselves."""

    def submit(
        self, queries: QueryVectors, after: int, only: Int64 | None, code: int = AS_IT_IS
    ) -> Callable[[], Pairs]:
        """Start a task for each segment; the function returned waits for their pairs."""
        queries = as_queries(queries).vectors
        shared = ray.put(queries)
        tasks = []
        for segment, alive, first in self._references.segments_to_search(after, only, code):
            mask = self._shared_mask(segment, alive, only is not None)
            task = self._task.remote(self._file(segment), mask, shared, self.threshold, first)
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
        """Wait for the pairs of one task. Raises `StorageError`, `ClusterError`."""
        try:
            pairs: Pairs = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, FileNotFoundError):
                raise error.cause from error
            path = self._path(segment)
            if path.exists():
                raise StorageError(
                    f"{path}: a node of the cluster has no such file. The index must be on "
                    f"storage that all nodes see under this path."
                ) from error
            # A writer has merged the segment into another one; it is still open in this process.
            return search_segment(segment, None, alive, queries, self.threshold, first)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the cluster lost a part of the search {_RETRIES} times ({first_line(error)}). "
                f"Check its nodes with `ray status`, and search again."
            ) from error
        return pairs

    def _shared_mask(self, segment: Segment, alive: Bool | None, some: bool) -> Any:
        """Put `alive` into the cluster's memory, once."""
        if alive is None:
            return None
        name = ("/".join(segment.path.parts), some)
        if name not in self._alive:
            self._alive[name] = ray.put(alive)
        return self._alive[name]

    def _path(self, segment: Segment) -> ContainedPath:
        """Return the path of a segment, or of one in another orientation, on the shared storage."""
        _, *parts = segment.path.parts
        turned = len(parts) > 1
        path = self._orientations if turned else self._segments
        for part in parts:
            path /= part
        return path

    def _file(self, segment: Segment) -> SegmentFile:
        count, dim = segment.vectors.shape
        path = self._path(segment)
        return SegmentFile(path, self._sketches, segment.data.nbytes, count, dim)
