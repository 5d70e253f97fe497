"""The failures of an index: images that could not be had, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vecsim.catalog.checksums import row_checksum
from vecsim.catalog.connection import Connection
from vecsim.catalog.images import fields_from_json, fields_to_json
from vecsim.records import Failure, ImageRef

_COLUMNS = "id, url, fields, kind, message, http_status, final_url, attempts, last_try"


class FailureTable:
    """One row an id: the last failure, with the attempts of all."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    def insert(self, failures: Iterable[Failure]) -> None:
        """Record failures; a newer one of an id takes the older one's place."""
        names = _COLUMNS.split(", ")[1:]
        updates = ", ".join(f"{name} = excluded.{name}" for name in (*names, "checksum"))
        statement = (
            f"INSERT INTO failures ({_COLUMNS}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (id) DO UPDATE SET {updates}"
        )
        earlier = "SELECT attempts FROM failures WHERE id = ? AND url = ?"
        for failure in failures:
            before = self._sql.query(earlier, [failure.ref.id, failure.ref.url])
            values = [
                failure.ref.id,
                failure.ref.url,
                fields_to_json(failure.ref.fields),
                failure.kind,
                failure.message,
                failure.http_status,
                failure.final_url,
                failure.attempts + (before[0][0] if before else 0),
                failure.last_try,
            ]
            self._sql.query(statement, [*values, row_checksum("failures", values)])

    def delete(self, ids: Iterable[str]) -> int:
        """Forget failures; returns how many there were. Inside a transaction."""
        return self._sql.change_many("DELETE FROM failures WHERE id = ?", ((id_,) for id_ in ids))

    def all(self) -> Iterator[Failure]:
        """All recorded failures in the order in which they first came."""
        for row in self._sql.scan(f"SELECT rowid, {_COLUMNS} FROM failures WHERE rowid"):
            yield self._failure(row[1:])

    def part(self, start: int, limit: int) -> list[Failure]:
        """At most `limit` failures from position `start` on, in that order."""
        sql = f"SELECT {_COLUMNS} FROM failures ORDER BY rowid LIMIT ? OFFSET ?"
        return [self._failure(row) for row in self._sql.query(sql, [limit, start])]

    def _failure(self, row: Sequence[Any]) -> Failure:
        id_, url, fields, *rest = row
        return Failure(ImageRef(id_, url, fields_from_json(fields, self._sql.path)), *rest)

    def urls(self, ids: Iterable[str], *, but_not: str = "") -> dict[str, str]:
        """The URL of the recorded failure of each of `ids` that has one, not of a kind left out."""
        rows = self._sql.query_batches("SELECT id, url, kind FROM failures WHERE id", ids)
        return {id_: url for id_, url, kind in rows if kind != but_not}

    def count(self) -> int:
        """How many failures are recorded."""
        return int(self._sql.query("SELECT count(*) FROM failures")[0][0])

    def by_kind(self) -> dict[str, int]:
        """How many failures there are of each kind, most frequent first."""
        sql = "SELECT kind, count(*) FROM failures GROUP BY kind ORDER BY 2 DESC, 1"
        return dict(self._sql.query(sql))
