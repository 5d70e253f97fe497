"""One index directory: `Snapshot` reads it, `writer` changes it, `verify` doubts it.

What changes an index is not imported here: who only asks does not wait for it.
"""

from vecsim.index.images_by_hash import ImagesByHash
from vecsim.index.layout import IndexFolder
from vecsim.index.snapshot import Snapshot

__all__ = ["ImagesByHash", "IndexFolder", "Snapshot"]
