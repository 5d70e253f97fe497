"""The library: `Index`, `match`, `embed`, `apply_decisions` and `undo`."""

from vecsim.api.embedding import ImageEmbedder, embed
from vecsim.api.functions import apply_decisions, match, undo
from vecsim.api.index import Index
from vecsim.api.progress import Progress
from vecsim.api.results import Clusters, Matches

__all__ = [
    "Clusters",
    "ImageEmbedder",
    "Index",
    "Matches",
    "Progress",
    "apply_decisions",
    "embed",
    "match",
    "undo",
]
