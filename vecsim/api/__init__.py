"""The library: `Index`, `match`, `apply_decisions` and `undo`."""

from vecsim.api.applying import apply_decisions, undo
from vecsim.api.index import Index
from vecsim.api.matching import match

__all__ = ["Index", "apply_decisions", "match", "undo"]
