"""The engine of a cluster: Ray runs the workers, this process reads, orders and commits."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vecsim.engines.engine import Job
from vecsim.engines.options import EngineOptions
from vecsim.errors import ClusterError, MissingExtraError
from vecsim.index import Snapshot

try:
    import ray
except ImportError as missing:
    raise MissingExtraError(
        "--engine ray needs Ray, on this machine and on all of the cluster: "
        "pip install 'vecsim[ray]'"
    ) from missing

from vecsim.engines.ray_build import RayOutcomes
from vecsim.engines.ray_cluster import first_line
from vecsim.engines.ray_match import RaySearcher


class RayEngine:
    """Connects to a running cluster for as long as a job lasts."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options

    @contextmanager
    def embedding(self, job: Job) -> Iterator[RayOutcomes]:
        """Workers with warm models, as many as the cluster has room for at each time."""
        with _connected(self._options.ray_address):
            outcomes = RayOutcomes(job, self._options)
            try:
                yield outcomes
            finally:
                outcomes.close()

    @contextmanager
    def searching(self, references: Snapshot, threshold: float) -> Iterator[RaySearcher]:
        """Tasks that read the segments where they lie, on storage that all nodes share."""
        with _connected(self._options.ray_address):
            yield RaySearcher(references, threshold, self._options)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A connection to the cluster; one that the program has already is used and left open."""
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray has a dozen for this
        raise ClusterError(
            f"no Ray cluster at {address!r} ({first_line(error)}). Start one here with "
            f"`ray start --head`, or name one: --ray-address HOST:6379 or ray://HOST:10001."
        ) from error
    # What Ray tells of its nodes it prints to standard output, among the results.
    ray._private.worker._worker_logs_enabled = False
    if main and handler is not None:
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own, which ends the program
    try:
        yield
    finally:
        ray.shutdown()
