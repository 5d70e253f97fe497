"""What runs on a worker of a cluster. This module does not import Ray."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vecsim.contained import ContainedPath
from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.index.generation import search_segment
from vecsim.index.sketch_store import SketchStore
from vecsim.models import load_embedder
from vecsim.pipeline import KnownEmbedding, PipelineOptions
from vecsim.records import Bool, Embedded, Failure, Fingerprint, Float32, ImageFacts, ImageRef
from vecsim.results import Pairs
from vecsim.search.sketch import Sketch
from vecsim.segments import Segment, open_segment

# Segments that a worker keeps mapped, with their sketches.
_MOST_OPEN = 64


class EmbeddingWorker:
    """Holds a loaded model, connections and decoders; many threads may call `embed`."""

    def start(
        self,
        fingerprint: Fingerprint,
        weights: Path | None,
        work: WorkOptions,
        thumbnails: bool,
        cores: int,
        orientations: tuple[int, ...],
    ) -> None:
        """Load the model. Raises what `load_embedder` does."""
        embedder = load_embedder(
            fingerprint.model,
            weights=weights,
            device=work.device,
            threads=cores,
            expected=fingerprint,
        )
        self._stored: dict[str, ImageFacts] = {}
        self._resources = ExitStack()
        self._pipeline = self._resources.enter_context(
            local_pipeline(
                embedder,
                work,
                PipelineOptions(
                    find_facts=lambda ref: self._stored.get(ref.id),
                    find_unchanged=_unchanged,
                    orientations=orientations,
                ),
                thumbnails=thumbnails,
                cores=cores,
            )
        )

    def embed(
        self, items: Sequence[tuple[ImageRef, ImageFacts | None]]
    ) -> list[Embedded | Failure]:
        """Return one outcome for each reference, in order.

        With each reference come the stored facts of its bytes, if they were fetched before; if the
        bytes are unchanged, the vector of the outcome is empty, since the index has it.
        """
        self._stored.update({ref.id: facts for ref, facts in items if facts is not None})
        try:
            under_way = [self._pipeline.submit(ref) for ref, _ in items]
            return [outcome.result() for outcome in under_way]
        finally:
            for ref, _ in items:
                self._stored.pop(ref.id, None)


def _unchanged(stored: ImageFacts) -> KnownEmbedding:
    return KnownEmbedding(np.empty(0, np.float32), stored)


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """Where a segment and its sketch are stored, for workers without access to the catalog."""

    path: ContainedPath
    sketches: ContainedPath
    byte_count: int
    vector_count: int
    dim: int


def search_file(
    file: SegmentFile, alive: Bool | None, queries: Float32, threshold: float, first: int
) -> Pairs:
    """Run `search_segment` on a file on shared storage. Raises FileNotFoundError."""
    state = file.path.stat()
    segment, sketch = _open(file, (state.st_ino, state.st_mtime_ns))
    return search_segment(segment, sketch, alive, queries, threshold, first)


@lru_cache(maxsize=_MOST_OPEN)
def _open(file: SegmentFile, state: tuple[int, int]) -> tuple[Segment, Sketch | None]:
    """Open a file once; `state` distinguishes it from an earlier file of the same name."""
    segment = open_segment(file.path, file.byte_count, file.vector_count, file.dim)
    return segment, SketchStore(file.sketches).load(segment)
