"""The failures of an index: images that could not be loaded, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vecsim.catalog.connection import Connection
from vecsim.catalog.row_checks import RowTypes, fields_from_json, fields_to_json
from vecsim.records import Failure, ImageRef

_SELECTED = (
    "id",
    "url",
    "fields",
    "kind",
    "message",
    "http_status",
    "final_url",
    "attempts",
    "last_try",
)


class FailureTable:
    """The table `failures`: of each id the last failure, with the attempts of all."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._table = connection.schema.table("failures")
        self._types = RowTypes(self._table, _SELECTED, connection.path)
        self._selected = self._table.selected(connection.columns_of(self._table), _SELECTED)

    def insert(self, failures: Iterable[Failure]) -> None:
        """Record failures; a newer one replaces the older one of its id."""
        earlier = "SELECT attempts FROM failures WHERE id = ? AND url = ?"
        for failure in failures:
            before = self._sql.query(earlier, [failure.ref.id, failure.ref.url])
            row = {
                "id": failure.ref.id,
                "url": failure.ref.url,
                "fields": fields_to_json(failure.ref.fields),
                "kind": failure.kind,
                "message": failure.message,
                "http_status": failure.http_status,
                "final_url": failure.final_url,
                "attempts": failure.attempts + (before[0][0] if before else 0),
                "last_try": failure.last_try,
            }
            self._sql.insert(self._table, [row], existing="update")

    def delete(self, ids: Iterable[str]) -> int:
        """Delete failures; returns how many there were. Inside a transaction."""
        return self._sql.change_many("DELETE FROM failures WHERE id = ?", ((id_,) for id_ in ids))

    def all(self) -> Iterator[Failure]:
        """Yield all recorded failures in the order in which each id first failed."""
        for row in self._sql.scan(f"SELECT rowid, {self._selected} FROM failures WHERE rowid"):
            yield self._failure(row[1:])

    def page(self, start: int, limit: int) -> list[Failure]:
        """Return at most `limit` failures from position `start` on, in that order."""
        sql = f"SELECT {self._selected} FROM failures ORDER BY rowid LIMIT ? OFFSET ?"
        return [self._failure(row) for row in self._sql.query(sql, [limit, start])]

    def _failure(self, row: Sequence[Any]) -> Failure:
        self._types.check(row)
        values = dict(zip(_SELECTED, row, strict=True))
        fields = fields_from_json(values.pop("fields"), self._sql.path)
        return Failure(ImageRef(values.pop("id"), values.pop("url"), fields), **values)

    def by_id(self, ids: Iterable[str]) -> dict[str, Failure]:
        """Return the recorded failures of `ids`, by id."""
        rows = self._sql.query_batches(f"SELECT {self._selected} FROM failures WHERE id", ids)
        return {row[0]: self._failure(row) for row in rows}

    def update_fields(self, fields: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Store other carried fields of failures, by id. Inside a transaction."""
        changes = ((id_, {"fields": fields_to_json(newer)}) for id_, newer in fields)
        self._sql.update(self._table, changes)

    def urls(self, ids: Iterable[str], *, exclude_kind: str = "") -> dict[str, str]:
        """Return the URLs of the recorded failures of `ids`, by id, without those of one kind."""
        rows = self._sql.query_batches("SELECT id, url, kind FROM failures WHERE id", ids)
        return {id_: url for id_, url, kind in rows if kind != exclude_kind}

    def count(self) -> int:
        """Return how many failures are recorded."""
        return int(self._sql.query("SELECT count(*) FROM failures")[0][0])

    def by_kind(self) -> dict[str, int]:
        """Return how many failures there are of each kind, most frequent first."""
        sql = "SELECT kind, count(*) FROM failures GROUP BY kind ORDER BY 2 DESC, 1"
        return dict(self._sql.query(sql))
