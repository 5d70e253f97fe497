"""vecsim: exact image matching. Every pair of similar pictures in two sets, none missed.

    from vecsim import Index, match

Names are imported when they are first used, so that `import vecsim` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecsim.lazy_names import lazy_names

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
    "AddReport": "records",
    "ApplyReport": "operations.applying",
    "CallableEmbedder": "models.callable",
    "Change": "operations.syncing",
    "Cluster": "results",
    "Clusters": "api",
    "Decision": "catalog.decisions",
    "Embedded": "records",
    "Embedder": "protocols",
    "EngineOptions": "engines.engine",
    "Failure": "records",
    "Fingerprint": "records",
    "ImageEmbedder": "api",
    "ImageRef": "records",
    "Index": "api",
    "Match": "results",
    "Matches": "api",
    "Outcome": "operations.applying",
    "Preparation": "protocols",
    "Progress": "api",
    "Returned": "operations.applying",
    "SourceOptions": "sources",
    "SyncOptions": "operations.syncing",
    "SyncReport": "operations.syncing",
    "UndoReport": "operations.applying",
    "VecsimError": "errors",
    "WorkOptions": "engines.engine",
    "apply_decisions": "api",
    "embed": "api",
    "match": "api",
    "undo": "api",
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


_import_name = lazy_names(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562); `__version__` is that of the package."""
    if name == "__version__":
        from importlib.metadata import version

        return version("vecsim")
    return _import_name(name)


def __dir__() -> list[str]:
    """Return all names, those that are not imported yet included."""
    return sorted({*globals(), *__all__})
