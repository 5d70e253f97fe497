"""The local engine: this machine. Searching imports nothing that loads pictures."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from vecsim.engines.engine import EngineOptions, Job
from vecsim.index import Snapshot
from vecsim.index.searchers import LocalSearcher

if TYPE_CHECKING:
    from vecsim.pipeline import Pipeline

_BATCH_WAIT = 0.05
"""Seconds for which a picture waits for others, to be embedded together with them: what a call of
the model takes beside its computing is then needed once per batch."""


class LocalEngine:
    """Uses all cores of this machine, in this process and its children."""

    def __init__(self, options: EngineOptions) -> None:
        """Take the options that every engine is given; this one needs none."""

    def embedding(self, job: Job) -> AbstractContextManager[Pipeline]:
        """Embed in a pipeline on this machine."""
        from vecsim.engines.local_pipeline import local_pipeline
        from vecsim.pipeline import PipelineOptions

        options = PipelineOptions(
            find_embedding=job.find_embedding,
            find_facts=job.find_facts,
            orientations=job.orientations,
            batch_wait=_BATCH_WAIT,
        )
        return local_pipeline(job.embedder, job.work, options, thumbnails=job.thumbnails)

    def searching(
        self, references: Snapshot, threshold: float
    ) -> AbstractContextManager[LocalSearcher]:
        """Search in the calling thread."""
        return nullcontext(LocalSearcher(references, threshold))
