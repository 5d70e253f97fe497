"""Building on a cluster: shards of the source go to workers, outcomes come back in its order."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from threading import Event
from typing import Any

import ray

from vecsim.engines.engine import Job
from vecsim.engines.options import EngineOptions
from vecsim.engines.ray_cluster import first_line, worker_count
from vecsim.engines.ray_worker import EmbeddingWorker
from vecsim.engines.shards import DEATHS, SMALLEST, Item, Shards, place_of, shard_size
from vecsim.errors import ClusterError, FailureKind, VecsimError
from vecsim.records import Embedded, Failure, ImageRef

log = logging.getLogger(__name__)

Outcome = Embedded | Failure

# References on their way at once, and outcomes that wait for those before them: this many, and
# some for each worker, but never more than the memory of the driver is meant to hold.
WINDOW, WINDOW_OF_WORKER, LARGEST_WINDOW = 16_384, 1_024, 65_536

# References read between two looks at the cluster, and shards a worker has at a time.
_READ = 2_048
_AHEAD = 4

# Seconds between two looks at what the cluster has to give, and until a wait for it is mentioned.
_LOOK, _PATIENCE = 2.0, 15.0
_HEARTBEAT = 0.25

# Workers in a row that may die before they have begun.
_FALSE_STARTS = 5


class _Member:
    """One worker: its actor, whether its model is loaded, and the shards it has."""

    def __init__(self, actor: Any, starting: Any) -> None:
        self.actor = actor
        self.starting = starting
        self.shards: dict[Any, list[Item]] = {}
        self.alone = False


class RayOutcomes:
    """Hands out shards, takes back what came of them; a worker that dies is replaced."""

    def __init__(self, job: Job, options: EngineOptions) -> None:
        self._job = job
        self._options = options
        self._shards = Shards()
        self._members: list[_Member] = []
        self._ready: dict[int, Outcome] = {}
        self._room = 1
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
        """End the workers; what is under way is dropped."""
        for member in self._members:
            ray.kill(member.actor)
        self._members.clear()

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
            window = min(LARGEST_WINDOW, WINDOW + WINDOW_OF_WORKER * len(self._members))
            for _ in range(min(_READ, window - (taken - given))):
                try:
                    ref = next(source, None)
                except VecsimError as error:
                    ref, broken = None, error
                if ref is None:
                    exhausted = True
                    break
                item = Item(taken, ref, self._job.find_facts(ref), place_of(ref.url))
                self._shards.add(item)
                taken += 1
            self._hire()
            self._hand_out()
            while given in self._ready:
                yield self._ready.pop(given)
                given += 1
            full = exhausted or taken - given >= window
            self._collect(_HEARTBEAT if full and given < taken else 0)
            yield None
        if broken is not None:
            raise broken

    # -- workers -------------------------------------------------------------------------------

    def _hire(self) -> None:
        """Have as many workers as there is room for now, but none without work."""
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            self._room = worker_count(self._options)
        # Its own shards are not counted: a worker that has died must be replaced for the last few.
        wanted = min(self._room, -(-len(self._shards) // SMALLEST))
        job = self._job
        while len(self._members) < wanted:
            actor = self._actor.remote()
            starting = actor.start.remote(
                job.embedder.fingerprint,
                job.weights.resolve() if job.weights else None,
                job.work,
                job.thumbnails,
                self._options.cpus_per_worker,
            )
            self._members.append(_Member(actor, starting))
        if self._waiting_since is not None and now - self._waiting_since > _PATIENCE:
            self._waiting_since = None
            needs = f"{self._options.cpus_per_worker} CPUs"
            if self._options.gpus_per_worker:
                needs += f" and {self._options.gpus_per_worker:g} GPUs"
            log.warning("waiting for the cluster to give a worker %s; see `ray status`", needs)

    def _hand_out(self) -> None:
        if not len(self._shards):
            return
        loads = [sum(map(len, member.shards.values())) for member in self._members]
        # No more than its share for a worker, lest one whose model loads find nothing left.
        share = -(-(len(self._shards) + sum(loads)) // max(1, len(self._members)))
        for member, load in zip(self._members, loads, strict=True):
            while (
                member.starting is None
                and not (member.alone and member.shards)
                and len(member.shards) < _AHEAD
                and load < share
            ):
                size = min(shard_size(len(self._shards), len(self._members)), share - load)
                idle = not member.shards
                items, member.alone = self._shards.take(member, idle=idle, size=size)
                load += len(items)
                if not items:
                    break
                task = member.actor.embed.remote([(item.ref, item.stored) for item in items])
                member.shards[task] = items

    def _collect(self, patience: float) -> None:
        """Take what has come, after waiting for it for at most so many seconds."""
        whose = {task: member for member in self._members for task in member.shards}
        whose |= {m.starting: m for m in self._members if m.starting is not None}
        if not whose:
            return
        came, _ = ray.wait(list(whose), num_returns=1, timeout=patience)
        if came:
            came, _ = ray.wait(list(whose), num_returns=len(whose), timeout=0)
        for task in came:
            member = whose[task]
            if task is member.starting:
                self._begin(member)
            elif task in member.shards:
                self._take(member, task)

    def _begin(self, member: _Member) -> None:
        """The worker has its model, or cannot have it."""
        try:
            ray.get(member.starting)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, VecsimError):
                raise type(error.cause)(f"a worker of the cluster: {error.cause}") from error
            raise ClusterError(
                f"a worker of the cluster cannot begin ({error.cause!r}). Every node needs the "
                f"same vecsim and the same Python as this machine."
            ) from error
        except ray.exceptions.RayError as error:
            self._false_starts += 1
            if self._false_starts > _FALSE_STARTS:
                raise ClusterError(
                    f"{self._false_starts} workers of the cluster in a row died before they began "
                    f"({first_line(error)}). Look at `ray status` and at Ray's logs."
                ) from error
            self._bury(member)
            return
        member.starting = None
        self._false_starts = 0
        self._waiting_since = None

    def _take(self, member: _Member, task: Any) -> None:
        try:
            outcomes: list[Outcome] = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, VecsimError):
                raise error.cause from error
            log.info("a shard failed: %s", first_line(error))
            self._lose(member.shards.pop(task), f"a worker failed over it ({error.cause!r})")
        except ray.exceptions.RayError as error:
            log.info("a worker is gone: %s", first_line(error))
            self._bury(member)
        else:
            items = member.shards.pop(task)
            self._shards.done(items)
            for item, outcome in zip(items, outcomes, strict=True):
                self._ready[item.number] = self._complete(item, outcome)

    def _bury(self, member: _Member) -> None:
        """A worker is gone, and with it all that it had."""
        self._members.remove(member)
        # Its other shards may have come back just now, as errors of the same death.
        shards, member.shards = member.shards, {}
        for items in shards.values():
            self._lose(items, f"{DEATHS} workers died over it")
        self._shards.forget(member)

    def _lose(self, items: list[Item], why: str) -> None:
        for item in self._shards.lost(items):
            self._ready[item.number] = _crashed(item.ref, why)

    def _complete(self, item: Item, outcome: Outcome) -> Outcome:
        """Give an outcome that comes without its vector, for bytes known here, what it needs."""
        if isinstance(outcome, Failure) or len(outcome.vector):
            return outcome
        sha256 = outcome.facts.sha256
        if item.stored is not None and item.stored.sha256 == sha256:
            return outcome
        # The same URL stands for two ids, and the other's bytes are the ones that are unchanged.
        known = self._job.find_embedding(sha256)
        if known is None:
            return _crashed(item.ref, "its bytes were another image's, which is no more: try again")
        return Embedded(item.ref, outcome.facts, known.vector, known.thumbnail)


def _crashed(ref: ImageRef, why: str) -> Failure:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Failure(ref, FailureKind.CRASHED, why, last_try=now)
