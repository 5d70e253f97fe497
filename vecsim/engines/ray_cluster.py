"""What the cluster has to give."""

from __future__ import annotations

import ray

from vecsim.engines.options import EngineOptions


def worker_count(options: EngineOptions) -> int:
    """How many workers the nodes that are there now have room for; at least one."""
    there = ray.cluster_resources()
    room = [there.get("CPU", 0) // options.cpus_per_worker]
    if options.gpus_per_worker:
        room.append(there.get("GPU", 0) // options.gpus_per_worker)
    return max(1, int(min(room)))


def first_line(error: Exception) -> str:
    """What a message begins with; Ray's go on for pages."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
