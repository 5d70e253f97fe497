"""The library: `Index` and `match`."""

from vecsim.api.index import Index
from vecsim.api.matching import match

__all__ = ["Index", "match"]
