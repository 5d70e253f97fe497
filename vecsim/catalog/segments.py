"""The segments of an index: which files hold its vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from vecsim.catalog.checksums import row_checksum
from vecsim.catalog.connection import Connection


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """What the catalog says of one segment file. Sizes in bytes, keys inclusive."""

    name: str
    vector_count: int
    first_key: int
    last_key: int
    byte_count: int
    sha256: str


class SegmentTable:
    """A file in `segments/` that no row here names is debris of an interrupted run."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    def all(self) -> list[SegmentRow]:
        """All segments in the order of their keys."""
        columns = ", ".join(SegmentRow.__dataclass_fields__)
        rows = self._sql.query(f"SELECT {columns} FROM segments ORDER BY first_key")
        return [SegmentRow(*row) for row in rows]

    def insert(self, row: SegmentRow, generation: int) -> None:
        """Name a file that is complete and durable. Inside a transaction."""
        values = [*astuple(row), generation]
        values.append(row_checksum("segments", values))
        self._sql.query("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def delete(self, names: Iterable[str]) -> None:
        """Forget segments that a merge has replaced. Inside a transaction."""
        for name in names:
            self._sql.query("DELETE FROM segments WHERE name = ?", [name])
