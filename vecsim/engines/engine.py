"""Engines: their options, their two jobs, and the choice of one; each engine has its own file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

from vecsim.decode import DecodeLimits
from vecsim.errors import UsageError
from vecsim.fetch import FetchOptions
from vecsim.orientations import AS_IT_IS

# Options are made for each command: what only types need is not imported with them.
if TYPE_CHECKING:
    from vecsim.index import Snapshot
    from vecsim.index.searchers import Searcher
    from vecsim.pipeline import EmbeddingLookup
    from vecsim.protocols import Embedder
    from vecsim.records import Embedded, Failure, ImageFacts, ImageRef


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where units of work run. `name`: "local", "gpu" (as local, but matches are searched on a GPU)
    or "ray"; the other values are for Ray.

    `ray_address`: "auto" for the cluster that this machine is part of, else one that is started on
    it for the work; "host:port" of a cluster's head, or "ray://host:port" of one whose network this
    machine is not in. `cpus_per_worker`, `gpus_per_worker`: what each worker asks of the cluster,
    which decides how many there are.

    >>> for pair in vecsim.match(shop, threshold=0.9, engine=vecsim.EngineOptions("local")):
    ...     print(pair.query_id, pair.reference_id)
    Pictures/1.jpg Pictures/3.jpg
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

    >>> work = vecsim.WorkOptions(batch_size=64, device="cpu")
    >>> vecsim.embed(["Pictures/1.jpg"], "phash", work=work).shape
    (1, 64)
    """

    batch_size: int = 32
    device: str = "auto"
    fetch: FetchOptions = field(default_factory=FetchOptions)
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    engine: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True, slots=True)
class Job:
    """The embedding of images for one index.

    `weights`: the model's own file, if it has one. `find_embedding`: what the index holds for some
    bytes. `find_facts`: what is known of a reference that was fetched before. `thumbnails`: whether
    a small picture is made of each. `orientations`: the codes of those in which each picture is
    embedded, 0 first.
    """

    embedder: Embedder
    weights: Path | None
    work: WorkOptions
    find_embedding: EmbeddingLookup
    find_facts: Callable[[ImageRef], ImageFacts | None]
    thumbnails: bool
    orientations: tuple[int, ...] = (AS_IT_IS,)


class Outcomes(Protocol):
    """Turns references into vectors."""

    def run(
        self, refs: Iterable[ImageRef], stop: Event | None = None
    ) -> Iterator[Embedded | Failure | None]:
        """Yield one outcome for each reference, in order, now and then None; see `Pipeline`."""


class Engine(Protocol):
    """Runs the two heavy jobs; the result is the same on each engine."""

    def embedding(self, job: Job) -> AbstractContextManager[Outcomes]:
        """Open what embeds images, for the duration of the block."""

    def searching(self, references: Snapshot, threshold: float) -> AbstractContextManager[Searcher]:
        """Open what searches `references`, for the duration of the block."""


# Imported only when chosen: what they need may not be installed.
_ENGINES = {
    "local": ("vecsim.engines.local", "LocalEngine"),
    "gpu": ("vecsim.engines.gpu", "GpuEngine"),
    "ray": ("vecsim.engines.ray", "RayEngine"),
}


def start_early(options: EngineOptions) -> None:
    """Begin to start processes that an engine will need, while its caller prepares other things."""
    if options.name == "local":
        from vecsim.decode import template  # imported only now, as in `open_engine`

        template.start_early()


def open_engine(options: EngineOptions | None = None) -> Engine:
    """Create the engine that `options` name; nothing is started yet.

    Raises `MissingExtraError` if what it needs is not installed, `UsageError`.
    """
    options = options or EngineOptions()
    if options.name not in _ENGINES:
        raise UsageError(f"engine {options.name!r}: choose one of {', '.join(_ENGINES)}.")
    module, name = _ENGINES[options.name]
    engine: Engine = getattr(import_module(module), name)(options)
    return engine
