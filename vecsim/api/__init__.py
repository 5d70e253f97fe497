"""The library: `Index`, `match`, `apply_decisions` and `undo`."""

from vecsim.api.functions import apply_decisions, match, undo
from vecsim.api.index import Index

__all__ = ["Index", "apply_decisions", "match", "undo"]
