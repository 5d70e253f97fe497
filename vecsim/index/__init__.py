"""One index directory: `Snapshot` reads it, `Writer` changes it, `verify` doubts it."""

from vecsim.index.known_bytes import KnownBytes
from vecsim.index.layout import IndexFolder, create_index
from vecsim.index.snapshot import Snapshot
from vecsim.index.writer import Writer

__all__ = ["IndexFolder", "KnownBytes", "Snapshot", "Writer", "create_index"]
