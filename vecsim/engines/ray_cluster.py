"""The connection to a Ray cluster, and what the cluster offers."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from vecsim.engines.options import EngineOptions
from vecsim.errors import ClusterError
from vecsim.hints import Action, Hint


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to the cluster for the duration of the block. Raises `ClusterError`.

    A connection that the program has already is used and left open.
    """
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises a dozen types here
        raise ClusterError(
            f"no Ray cluster at {address!r} ({first_line(error)}). `ray start --head` starts one "
            f"on this machine.",
            hint=Hint(Action.CHOOSE_CLUSTER),
        ) from error
    # Ray prints messages about its nodes to standard output, among the results.
    ray._private.worker._worker_logs_enabled = False
    if main and handler is not None:
        # Ray installs a handler that ends the program.
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


def worker_count(options: EngineOptions) -> int:
    """Return how many workers fit on the nodes that are in the cluster now; at least one."""
    resources = ray.cluster_resources()
    counts = [resources.get("CPU", 0) // options.cpus_per_worker]
    if options.gpus_per_worker:
        counts.append(resources.get("GPU", 0) // options.gpus_per_worker)
    return max(1, int(min(counts)))


def first_line(error: Exception) -> str:
    """Return the first line of a message; Ray's messages are pages long."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
