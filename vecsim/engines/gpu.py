"""The engine "gpu": this machine, whose GPU finds candidates of matches. Needs `vecsim[gpu]`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

from vecsim.engines.engine import EngineOptions
from vecsim.engines.local import LocalEngine
from vecsim.index import Snapshot
from vecsim.index.searchers import LocalSearcher
from vecsim.search.gpu import Gpu, HalfBounds

LARGEST_BLOCK = 32_768
"""Queries: the references that the GPU cannot keep are sent to it once for each block."""


class GpuEngine(LocalEngine):
    """Embeds like the local engine; where the model runs is the option of the device."""

    device = "cuda"
    """For PyTorch."""

    def __init__(self, options: EngineOptions) -> None:
        """Raises `UsageError` where PyTorch sees no GPU."""
        super().__init__(options)
        self._gpu = Gpu(self.device)

    def searching(
        self, references: Snapshot, threshold: float
    ) -> AbstractContextManager[LocalSearcher]:
        """Search with candidates from the GPU."""
        bounds = partial(HalfBounds, self._gpu)
        return nullcontext(LocalSearcher(references, threshold, bounds, LARGEST_BLOCK))
