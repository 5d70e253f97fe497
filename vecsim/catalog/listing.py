"""What sources list now, in temporary tables: compared with the catalog before anything changes.

SQLite keeps temporary tables in a file of its own that goes with the connection, so that a list of
any length takes little memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vecsim.catalog.connection import Connection
from vecsim.catalog.row_checks import fields_from_json, fields_to_json
from vecsim.records import ImageRef, UnusableRef

_TABLES = """
CREATE TEMP TABLE listed (
    position INTEGER PRIMARY KEY, source INTEGER, id TEXT, url TEXT, fields TEXT, location TEXT,
    credentials TEXT, action TEXT, detail TEXT, kind TEXT, message TEXT
);
CREATE UNIQUE INDEX temp.listed_source ON listed (source, id);
CREATE INDEX temp.listed_id ON listed (id);
CREATE INDEX temp.listed_action ON listed (action, position);
CREATE TEMP TABLE lost (id TEXT, source INTEGER, kept INTEGER, PRIMARY KEY (id, source));
CREATE TEMP TABLE gone (id TEXT PRIMARY KEY)
"""

_SELECT = (
    "SELECT position, source, id, url, fields, location, credentials, action, detail, kind, "
    "message FROM listed"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a source. `action`: what is to be done with it, once that is known."""

    position: int
    source: int
    ref: ImageRef
    action: str = ""
    detail: str = ""


def _problem(ref: ImageRef) -> tuple[str, str]:
    """Return the kind and the message of a row that names no image; else empty texts."""
    return (ref.kind, ref.message) if isinstance(ref, UnusableRef) else ("", "")


class Listing:
    """The rows that the sources of a run list, and the claims that are lost because of them."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._next = 1
        connection.allow_any_work()
        for statement in _TABLES.split(";"):
            connection.query(statement)

    def add(self, source: int, refs: list[ImageRef]) -> list[ImageRef]:
        """Add rows of a source; returns those whose id it has listed before, which are left out."""
        first = self._next
        self._next += len(refs)
        rows = (
            (first + n, source, *_values(ref), ref.location, ref.credentials, *_problem(ref))
            for n, ref in enumerate(refs)
        )
        insert = (
            "INSERT OR IGNORE INTO listed (position, source, id, url, fields, location, "
            "credentials, kind, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        with self._sql.transaction():
            self._sql.change_many(insert, rows)
        found = self._sql.query("SELECT position FROM listed WHERE position >= ?", [first])
        present = {row[0] for row in found}
        return [ref for n, ref in enumerate(refs) if first + n not in present]

    def batches(self, size: int = 500) -> Iterator[list[Listed]]:
        """Yield all rows in their order, in batches."""
        after = 0
        while rows := self._sql.query(
            f"{_SELECT} WHERE position > ? ORDER BY position LIMIT ?", [after, size]
        ):
            yield [self._row(row) for row in rows]
            after = rows[-1][0]

    def with_action(self, action: str) -> Iterator[Listed]:
        """Yield the rows for which an action was decided, in their order."""
        after = 0
        while rows := self._sql.query(
            f"{_SELECT} WHERE action = ? AND position > ? ORDER BY position LIMIT 500",
            [action, after],
        ):
            yield from map(self._row, rows)
            after = rows[-1][0]

    def of_ids(self, ids: Iterable[str]) -> dict[str, list[Listed]]:
        """Return the rows of `ids` from all sources, by id, in their order."""
        found: dict[str, list[Listed]] = {}
        for row in self._sql.query_batches(f"{_SELECT} WHERE id", set(ids)):
            found.setdefault(row[2], []).append(self._row(row))
        for rows in found.values():
            rows.sort(key=lambda listed: listed.position)
        return found

    def decide(self, decisions: Iterable[tuple[int, str, str]]) -> None:
        """Store what is to be done with rows: position, action, detail."""
        sql = "UPDATE listed SET action = ?2, detail = ?3 WHERE position = ?1"
        with self._sql.transaction():
            self._sql.change_many(sql, decisions)

    def count(self, source: int, action: str | None = None) -> int:
        """Return how many rows a source lists, or how many of them have an action."""
        sql = "SELECT count(*) FROM listed WHERE source = ?1 AND (?2 IS NULL OR action = ?2)"
        return int(self._sql.query(sql, [source, action])[0][0])

    def find_lost(self, sources: Iterable[int]) -> None:
        """Find the ids that `sources` own but no longer list, and those that no source lists."""
        with self._sql.transaction():
            for source in sources:
                self._sql.change(
                    "INSERT INTO lost SELECT id, source, 0 FROM owners WHERE source = ?1 AND id "
                    "NOT IN (SELECT id FROM listed WHERE source = ?1)",
                    [source],
                )
            self._find_gone()

    def keep(self, claims: Iterable[tuple[str, int]]) -> None:
        """Note claims that are kept although they are no longer listed: id, source."""
        with self._sql.transaction():
            sql = "UPDATE lost SET kept = 1 WHERE id = ? AND source = ?"
            self._sql.change_many(sql, claims)
            self._find_gone()

    def _find_gone(self) -> None:
        self._sql.change("DELETE FROM gone")
        self._sql.change(
            "INSERT INTO gone SELECT DISTINCT id FROM lost WHERE kept = 0 "
            "AND id NOT IN (SELECT id FROM listed) AND NOT EXISTS (SELECT 1 FROM owners o WHERE "
            "o.id = lost.id AND NOT EXISTS (SELECT 1 FROM lost l WHERE l.kept = 0 "
            "AND l.id = o.id AND l.source = o.source))"
        )

    def lost(self) -> Iterator[tuple[str, int, bool, str | None]]:
        """Yield lost claims: id, source, whether the id is gone, and the URL of its image."""
        after = 0
        sql = (
            "SELECT lost.rowid, lost.id, lost.source, gone.id IS NOT NULL, images.url FROM lost "
            "LEFT JOIN gone ON gone.id = lost.id LEFT JOIN images ON images.id = lost.id "
            "AND images.removed_generation IS NULL "
            "WHERE lost.kept = 0 AND lost.rowid > ? ORDER BY lost.rowid LIMIT 500"
        )
        while rows := self._sql.query(sql, [after]):
            yield from ((id_, source, bool(gone), url) for _, id_, source, gone, url in rows)
            after = rows[-1][0]

    def count_lost(self, source: int) -> int:
        """Return how many ids a source has lost."""
        sql = "SELECT count(*) FROM lost WHERE source = ? AND kept = 0"
        return int(self._sql.query(sql, [source])[0][0])

    def gone_sizes(self) -> set[int]:
        """Return the sizes in bytes of the files of images that are gone."""
        sql = (
            "SELECT DISTINCT byte_count FROM images WHERE removed_generation IS NULL "
            "AND id IN (SELECT id FROM gone)"
        )
        return {row[0] for row in self._sql.query(sql)}

    def take_gone(self, sha256: str) -> str | None:
        """Return the id of an image that is gone and had these bytes, or None.

        It counts as moved from now on: it is neither gone nor lost.
        """
        sql = (
            "SELECT id FROM images WHERE sha256 = ? AND sha256 <> '' "
            "AND removed_generation IS NULL AND id IN (SELECT id FROM gone) ORDER BY key LIMIT 1"
        )
        rows = self._sql.query(sql, [sha256])
        if not rows:
            return None
        with self._sql.transaction():
            for table in ("gone", "lost"):
                self._sql.change(f"DELETE FROM {table} WHERE id = ?", [rows[0][0]])
        return str(rows[0][0])

    def _row(self, row: tuple[object, ...]) -> Listed:
        position, source, id_, url, fields, location, credentials, action, detail, *problem = row
        kind, message = map(str, problem)
        stored = fields_from_json(str(fields), self._sql.path)
        secret = str(credentials or "")
        ref = ImageRef(str(id_), str(url), stored, str(location), credentials=secret)
        if kind:
            ref = UnusableRef(
                ref.id,
                ref.url,
                stored,
                ref.location,
                credentials=secret,
                kind=kind,
                message=message,
            )
        return Listed(
            int(str(position)), int(str(source)), ref, str(action or ""), str(detail or "")
        )


def _values(ref: ImageRef) -> tuple[str, str, str]:
    return ref.id, ref.url, fields_to_json(ref.fields)
