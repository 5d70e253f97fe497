"""Options of engines: where units of work run, and how much runs at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from vecsim.decode import DecodeLimits
from vecsim.fetch import FetchOptions


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where units of work run. `name`: "local" or "ray"; the other values are for Ray.

    `ray_address`: "auto" for the cluster that this machine is part of, "host:port" of a cluster's
    head, or "ray://host:port" of one whose network this machine is not in. `cpus_per_worker`,
    `gpus_per_worker`: what each worker asks of the cluster, which decides how many there are.
    """

    name: str = "local"
    ray_address: str = "auto"
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """How images are fetched, decoded and embedded.

    `batch_size`: how many pictures the model embeds together. `device`: "auto", "cpu" or "gpu".
    `fetch`: connections, timeouts and retries. `limits`: of decoding. `engine`: where it all runs.
    """

    batch_size: int = 32
    device: str = "auto"
    fetch: FetchOptions = field(default_factory=FetchOptions)
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    engine: EngineOptions = field(default_factory=EngineOptions)
