"""vecsim: exact image matching. Every pair of similar pictures in two sets, none missed.

    from vecsim import Index, match

Names are imported when they are first used, so that `import vecsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecsim.api import Index, match
    from vecsim.engines.options import EngineOptions, WorkOptions
    from vecsim.errors import VecsimError
    from vecsim.models.callable import CallableEmbedder
    from vecsim.operations.matching import Matches
    from vecsim.protocols import Embedder
    from vecsim.records import AddReport, Failure, Fingerprint, ImageRef, Match, Preparation
    from vecsim.sources import SourceOptions

_HOMES = {
    "AddReport": "vecsim.records",
    "CallableEmbedder": "vecsim.models.callable",
    "Embedder": "vecsim.protocols",
    "EngineOptions": "vecsim.engines.options",
    "Failure": "vecsim.records",
    "Fingerprint": "vecsim.records",
    "ImageRef": "vecsim.records",
    "Index": "vecsim.api",
    "Match": "vecsim.records",
    "Matches": "vecsim.operations.matching",
    "Preparation": "vecsim.records",
    "SourceOptions": "vecsim.sources",
    "VecsimError": "vecsim.errors",
    "WorkOptions": "vecsim.engines.options",
    "match": "vecsim.api",
}

__all__ = [
    "AddReport",
    "CallableEmbedder",
    "Embedder",
    "EngineOptions",
    "Failure",
    "Fingerprint",
    "ImageRef",
    "Index",
    "Match",
    "Matches",
    "Preparation",
    "SourceOptions",
    "VecsimError",
    "WorkOptions",
    "match",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
