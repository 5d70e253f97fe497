"""Embeds on a cluster: shards of the source go to workers, outcomes come back in its order."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from threading import Event
from typing import Any

import ray

from vecsim.engines.engine import EngineOptions, Job
from vecsim.engines.ray_worker import EmbeddingWorker
from vecsim.engines.shards import DEATHS, SMALLEST, Item, Shards, host_of, shard_size
from vecsim.errors import ClusterError, FailureKind, VecsimError
from vecsim.records import Embedded, Failure, ImageRef

log = logging.getLogger(__name__)

Outcome = Embedded | Failure

# References in progress, and outcomes that wait for earlier ones: this many, and more for each
# worker, up to what the driver's memory should hold.
WINDOW, WINDOW_OF_WORKER, LARGEST_WINDOW = 16_384, 1_024, 65_536

# References read between two checks of the cluster, and shards a worker has at a time.
_READ = 2_048
_AHEAD = 4

_RESOURCES_EVERY = 2.0  # seconds between two checks of the cluster's resources
_WARN_AFTER = 15.0  # seconds of waiting for a first worker
_POLL = 0.25  # seconds

# Workers in a row that may die while they start.
_FALSE_STARTS = 5


class _Worker:
    """One worker: its actor, the task that loads its model (None once loaded), and its shards.

    `isolated`: it has images over which a worker died, and is given nothing beside them.
    """

    def __init__(self, actor: Any, starting: Any) -> None:
        self.actor = actor
        self.starting = starting
        self.shards: dict[Any, list[Item]] = {}
        self.isolated = False


class RayOutcomes:
    """Hands shards to workers and collects their outcomes; a worker that dies is replaced."""

    def __init__(self, job: Job, options: EngineOptions) -> None:
        self._job = job
        self._options = options
        self._shards = Shards()
        self._workers: list[_Worker] = []
        self._ready: dict[int, Outcome] = {}
        self._fitting = 1
        self._looked = 0.0
        self._false_starts = 0
        self._waiting_since: float | None = time.monotonic()
        self._actor = ray.remote(EmbeddingWorker).options(
            num_cpus=options.cpus_per_worker,
            num_gpus=options.gpus_per_worker,
            max_concurrency=_AHEAD + 1,
            max_restarts=0,
        )

    def close(self) -> None:
        """Kill the workers; work in progress is dropped."""
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()

    def run(self, refs: Iterable[ImageRef], stop: Event | None = None) -> Iterator[Outcome | None]:
        """Yield one outcome for each reference, in their order; see `Pipeline.run`."""
        source = iter(refs)
        given = taken = 0
        exhausted = False
        broken: VecsimError | None = None
        while given < taken or not exhausted:
            if stop is not None and stop.is_set():
                yield from (self._ready[number] for number in sorted(self._ready))
                return
            window = min(LARGEST_WINDOW, WINDOW + WINDOW_OF_WORKER * len(self._workers))
            for _ in range(min(_READ, window - (taken - given))):
                try:
                    ref = next(source, None)
                except VecsimError as error:
                    ref, broken = None, error
                if ref is None:
                    exhausted = True
                    break
                item = Item(taken, ref, self._job.find_facts(ref), host_of(ref.url))
                self._shards.add(item)
                taken += 1
            self._scale_up()
            self._hand_out()
            while given in self._ready:
                yield self._ready.pop(given)
                given += 1
            full = exhausted or taken - given >= window
            self._collect(_POLL if full and given < taken else 0)
            yield None
        if broken is not None:
            raise broken

    # -- workers -------------------------------------------------------------------------------

    def _scale_up(self) -> None:
        """Start as many workers as fit into the cluster now, but none without work."""
        now = time.monotonic()
        if now - self._looked > _RESOURCES_EVERY:
            self._looked = now
            self._fitting = worker_count(self._options)
        # Shards that workers have are not counted: a worker that died is replaced for the last few.
        wanted = min(self._fitting, -(-len(self._shards) // SMALLEST))
        job = self._job
        while len(self._workers) < wanted:
            actor = self._actor.remote()
            starting = actor.start.remote(
                job.embedder.fingerprint,
                job.weights.resolve() if job.weights else None,
                job.work,
                job.thumbnails,
                self._options.cpus_per_worker,
                job.orientations,
            )
            self._workers.append(_Worker(actor, starting))
        if self._waiting_since is not None and now - self._waiting_since > _WARN_AFTER:
            self._waiting_since = None
            needs = f"{self._options.cpus_per_worker} CPUs"
            if self._options.gpus_per_worker:
                needs += f" and {self._options.gpus_per_worker:g} GPUs"
            log.warning("waiting for %s in the cluster for a worker; see `ray status`", needs)

    def _hand_out(self) -> None:
        """Give each worker its next shards."""
        if not len(self._shards):
            return
        loads = [sum(map(len, worker.shards.values())) for worker in self._workers]
        # No worker gets more than its share, so that some is left for workers that still load.
        share = -(-(len(self._shards) + sum(loads)) // max(1, len(self._workers)))
        for worker, load in zip(self._workers, loads, strict=True):
            while (
                worker.starting is None
                and not (worker.isolated and worker.shards)
                and len(worker.shards) < _AHEAD
                and load < share
            ):
                size = min(shard_size(len(self._shards), len(self._workers)), share - load)
                idle = not worker.shards
                items, worker.isolated = self._shards.take(worker, idle=idle, size=size)
                load += len(items)
                if not items:
                    break
                task = worker.actor.embed.remote([(item.ref, item.stored) for item in items])
                worker.shards[task] = items

    def _collect(self, seconds: float) -> None:
        """Process finished tasks, after waiting for one for at most `seconds`."""
        whose = {task: worker for worker in self._workers for task in worker.shards}
        whose |= {w.starting: w for w in self._workers if w.starting is not None}
        if not whose:
            return
        came, _ = ray.wait(list(whose), num_returns=1, timeout=seconds)
        if came:
            came, _ = ray.wait(list(whose), num_returns=len(whose), timeout=0)
        for task in came:
            worker = whose[task]
            if task is worker.starting:
                self._started(worker)
            elif task in worker.shards:
                self._take(worker, task)

    def _started(self, worker: _Worker) -> None:
        """Process the end of a worker's start: its model is loaded, or cannot be."""
        try:
            ray.get(worker.starting)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, VecsimError):
                raise type(error.cause)(
                    f"a worker of the cluster: {error.cause.message}", hint=error.cause.hint
                ) from error
            raise ClusterError(
                f"a worker of the cluster cannot start ({error.cause!r}). Every node needs the "
                f"same vecsim and the same Python as this machine."
            ) from error
        except ray.exceptions.RayError as error:
            self._false_starts += 1
            if self._false_starts > _FALSE_STARTS:
                raise ClusterError(
                    f"{self._false_starts} workers of the cluster in a row died while they "
                    f"started ({first_line(error)}). Check `ray status` and Ray's logs."
                ) from error
            self._remove_worker(worker)
            return
        worker.starting = None
        self._false_starts = 0
        self._waiting_since = None

    def _take(self, worker: _Worker, task: Any) -> None:
        """Take the outcomes of a finished shard."""
        try:
            outcomes: list[Outcome] = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, VecsimError):
                raise error.cause from error
            log.info("a shard failed: %s", first_line(error))
            self._requeue(worker.shards.pop(task), f"a worker failed over it ({error.cause!r})")
        except ray.exceptions.RayError as error:
            log.info("a worker died: %s", first_line(error))
            self._remove_worker(worker)
        else:
            items = worker.shards.pop(task)
            self._shards.done(items)
            for item, outcome in zip(items, outcomes, strict=True):
                self._ready[item.number] = self._complete(item, outcome)

    def _remove_worker(self, worker: _Worker) -> None:
        """Replace a worker that died, and hand its shards to others."""
        self._workers.remove(worker)
        # Its other shards may come back as errors of the same death: they must not count twice.
        shards, worker.shards = worker.shards, {}
        for items in shards.values():
            self._requeue(items, f"{DEATHS} workers died over it")
        self._shards.forget(worker)

    def _requeue(self, items: list[Item], why: str) -> None:
        """Queue the images of a lost shard again; those lost too often fail, because of `why`."""
        for item in self._shards.lost(items):
            self._ready[item.number] = _crashed(item.ref, why)

    def _complete(self, item: Item, outcome: Outcome) -> Outcome:
        """Add the stored vector to an outcome without one, whose bytes the index has."""
        if isinstance(outcome, Failure) or len(outcome.vector):
            return outcome
        sha256 = outcome.facts.sha256
        if item.stored is not None and item.stored.sha256 == sha256:
            return outcome
        # The same URL belongs to two ids, and the unchanged bytes are those of the other one.
        known = self._job.find_embedding(sha256)
        if known is None:
            return _crashed(item.ref, "its bytes were those of an image removed since: try again")
        return Embedded(item.ref, outcome.facts, known.vector, known.thumbnail, known.turned)


def _crashed(ref: ImageRef, why: str) -> Failure:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Failure(ref, FailureKind.CRASHED, why, last_try=now)


def worker_count(options: EngineOptions) -> int:
    """Return how many workers fit on the nodes that are in the cluster now; at least one."""
    resources = ray.cluster_resources()
    counts = [resources.get("CPU", 0) // options.cpus_per_worker]
    if options.gpus_per_worker:
        counts.append(resources.get("GPU", 0) // options.gpus_per_worker)
    return max(1, int(min(counts)))


def first_line(error: BaseException) -> str:
    """Return the first line of a message; Ray's messages are pages long."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
