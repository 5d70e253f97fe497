"""Stores: files and databases to which an index is handed over, and from which it is taken back.

One module for each kind, which is also the only one that imports its library.
"""

from vecsim.stores.rows import Batch, Columns, Manifest, check_read, row_checksums, total_of
from vecsim.stores.store import FORMS, TABLE, Place, Store, open_store

__all__ = [
    "FORMS",
    "TABLE",
    "Batch",
    "Columns",
    "Manifest",
    "Place",
    "Store",
    "check_read",
    "open_store",
    "row_checksums",
    "total_of",
]
