"""One index folder: `Snapshot` reads it, `writer` changes it, `verify` checks it.

Only what reads is imported here: a query does not wait for the import of what writes.
"""

from vecsim.index.layout import IndexFolder, is_index
from vecsim.index.snapshot import Snapshot

__all__ = ["IndexFolder", "Snapshot", "is_index"]
