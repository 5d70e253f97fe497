"""vecsim: exact image matching. Every pair of similar pictures in two sets, none missed.

    from vecsim import Index, match

Names are imported when they are first used, so that `import vecsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecsim.api import Index, apply_decisions, match, undo
    from vecsim.catalog.decisions import Decision
    from vecsim.engines.engine import EngineOptions, WorkOptions
    from vecsim.errors import VecsimError
    from vecsim.models.callable import CallableEmbedder
    from vecsim.operations.applying import ApplyReport, Outcome, Returned, UndoReport
    from vecsim.operations.matching import Matches
    from vecsim.protocols import Embedder, Preparation
    from vecsim.records import AddReport, Failure, Fingerprint, ImageRef, Match
    from vecsim.sources import SourceOptions

_HOMES = {
    "AddReport": "vecsim.records",
    "ApplyReport": "vecsim.operations.applying",
    "CallableEmbedder": "vecsim.models.callable",
    "Decision": "vecsim.catalog.decisions",
    "Embedder": "vecsim.protocols",
    "EngineOptions": "vecsim.engines.engine",
    "Failure": "vecsim.records",
    "Fingerprint": "vecsim.records",
    "ImageRef": "vecsim.records",
    "Index": "vecsim.api",
    "Match": "vecsim.records",
    "Matches": "vecsim.operations.matching",
    "Outcome": "vecsim.operations.applying",
    "Preparation": "vecsim.protocols",
    "Returned": "vecsim.operations.applying",
    "SourceOptions": "vecsim.sources",
    "UndoReport": "vecsim.operations.applying",
    "VecsimError": "vecsim.errors",
    "WorkOptions": "vecsim.engines.engine",
    "apply_decisions": "vecsim.api",
    "match": "vecsim.api",
    "undo": "vecsim.api",
}

__all__ = [
    "AddReport",
    "ApplyReport",
    "CallableEmbedder",
    "Decision",
    "Embedder",
    "EngineOptions",
    "Failure",
    "Fingerprint",
    "ImageRef",
    "Index",
    "Match",
    "Matches",
    "Outcome",
    "Preparation",
    "Returned",
    "SourceOptions",
    "UndoReport",
    "VecsimError",
    "WorkOptions",
    "apply_decisions",
    "match",
    "undo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
