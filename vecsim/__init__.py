"""vecsim: exact image matching. Every pair of similar pictures in two sets, none missed.

    from vecsim import Index, match

Names are imported when they are first used, so that `import vecsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecsim.api import (
        Clusters,
        ImageEmbedder,
        Index,
        Matches,
        Progress,
        apply_decisions,
        embed,
        match,
        undo,
    )
    from vecsim.catalog.decisions import Decision
    from vecsim.engines.engine import EngineOptions, WorkOptions
    from vecsim.errors import VecsimError
    from vecsim.models.callable import CallableEmbedder
    from vecsim.operations.applying import ApplyReport, Outcome, Returned, UndoReport
    from vecsim.operations.syncing import Change, SyncOptions, SyncReport
    from vecsim.protocols import Embedder, Preparation
    from vecsim.records import AddReport, Embedded, Failure, Fingerprint, ImageRef
    from vecsim.results import Cluster, Match
    from vecsim.sources import SourceOptions

_HOMES = {
    "AddReport": "vecsim.records",
    "ApplyReport": "vecsim.operations.applying",
    "CallableEmbedder": "vecsim.models.callable",
    "Change": "vecsim.operations.syncing",
    "Cluster": "vecsim.results",
    "Clusters": "vecsim.api",
    "Decision": "vecsim.catalog.decisions",
    "Embedded": "vecsim.records",
    "Embedder": "vecsim.protocols",
    "EngineOptions": "vecsim.engines.engine",
    "Failure": "vecsim.records",
    "Fingerprint": "vecsim.records",
    "ImageEmbedder": "vecsim.api",
    "ImageRef": "vecsim.records",
    "Index": "vecsim.api",
    "Match": "vecsim.results",
    "Matches": "vecsim.api",
    "Outcome": "vecsim.operations.applying",
    "Preparation": "vecsim.protocols",
    "Progress": "vecsim.api",
    "Returned": "vecsim.operations.applying",
    "SourceOptions": "vecsim.sources",
    "SyncOptions": "vecsim.operations.syncing",
    "SyncReport": "vecsim.operations.syncing",
    "UndoReport": "vecsim.operations.applying",
    "VecsimError": "vecsim.errors",
    "WorkOptions": "vecsim.engines.engine",
    "apply_decisions": "vecsim.api",
    "embed": "vecsim.api",
    "match": "vecsim.api",
    "undo": "vecsim.api",
}

__all__ = [
    "AddReport",
    "ApplyReport",
    "CallableEmbedder",
    "Change",
    "Cluster",
    "Clusters",
    "Decision",
    "Embedded",
    "Embedder",
    "EngineOptions",
    "Failure",
    "Fingerprint",
    "ImageEmbedder",
    "ImageRef",
    "Index",
    "Match",
    "Matches",
    "Outcome",
    "Preparation",
    "Progress",
    "Returned",
    "SourceOptions",
    "SyncOptions",
    "SyncReport",
    "UndoReport",
    "VecsimError",
    "WorkOptions",
    "apply_decisions",
    "embed",
    "match",
    "undo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return all names, those that are not imported yet included."""
    return sorted({*globals(), *__all__})
