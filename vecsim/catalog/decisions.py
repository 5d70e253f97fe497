"""The decisions of an index: which pictures a person judged the same, and which different."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vecsim.catalog.connection import Connection
from vecsim.catalog.row_checks import RowTypes
from vecsim.catalog.tables import DECISIONS
from vecsim.contained import ContainedPath

# A row as SQLite stores it: the end of its header (lengths of the columns), then the columns.
_STORED_ROW = re.compile(
    rb"[\x15\x1f]\x4d\x06"
    rb"([0-9a-f]{64}:[0-9a-f]{64})(same|different)(\d{4}-\d\d-\d\dT[\d:.]{15}\+00:00)(.{8})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about two pictures: `verdict` is "same" or "different".

    It belongs to their bytes, whatever their ids: `first` and `second` are the SHA-256 of both, in
    ascending order. `decided_at`: UTC, ISO 8601.

    >>> decision = shop.decide("Pictures/1.jpg", "Pictures/3.jpg", "same")
    >>> decision.verdict, len(decision.first)
    ('same', 64)
    """

    first: str
    second: str
    verdict: str
    decided_at: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """Both SHA-256, ascending."""
        return self.first, self.second


class DecisionTable:
    """The table `decisions`: at most one decision about the bytes of two pictures."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._table = connection.schema.table("decisions")
        self._types = RowTypes(self._table, ("pair", "verdict", "decided_at"), connection.path)

    def put(self, decisions: Iterable[Decision]) -> None:
        """Store decisions; one about the same pair is replaced. Inside a transaction."""
        for decision in decisions:
            row = {
                "pair": _key(decision.pair),
                "verdict": decision.verdict,
                "decided_at": decision.decided_at,
            }
            self._sql.insert(self._table, [row], existing="update")

    def delete(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Delete the decisions about `pairs`; returns how many there were. Inside a transaction."""
        sql = "DELETE FROM decisions WHERE pair = ?"
        return self._sql.change_many(sql, ([_key(pair)] for pair in pairs))

    def all(self) -> list[Decision]:
        """Return all decisions in the order in which each pair was first decided."""
        # Asked each time: a writer may bring an index of an earlier format up to date meanwhile.
        if not self._sql.query("SELECT 1 FROM sqlite_master WHERE name = 'decisions'"):
            return []
        rows = self._sql.query("SELECT pair, verdict, decided_at FROM decisions ORDER BY rowid")
        found = []
        for row in rows:
            self._types.check(row)
            pair, verdict, decided_at = row
            first, colon, second = pair.partition(":")
            if colon:  # another program may have inserted another text
                found.append(Decision(first, second, verdict, decided_at))
        return found


def _key(pair: tuple[str, str]) -> str:
    return ":".join(pair)


def find_rows(file: ContainedPath) -> Iterator[dict[str, Any]]:
    """Yield intact rows anywhere in an SQLite file whose first page does not tell where they are.

    Of several rows of a pair, the newest comes first. Rows that were deleted may be among them.
    """
    found = []
    with file.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _STORED_ROW.finditer(data):
            pair, verdict, decided_at = (part.decode("ascii") for part in match.groups()[:3])
            checksum = int.from_bytes(match[4], "big", signed=True)
            row = {"pair": pair, "verdict": verdict, "decided_at": decided_at}
            if DECISIONS.checksum(row) == checksum:
                found.append(row)
    yield from sorted(found, key=lambda row: row["decided_at"], reverse=True)
