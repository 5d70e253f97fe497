"""The sources of an index, and which of them lists each image: its owners."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vecsim.catalog.connection import Connection, batches
from vecsim.catalog.row_checks import RowTypes
from vecsim.records import ImageRef


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source. Times are UTC, ISO 8601, or empty.

    `place`: the path of its list or folder. `began_at`: of a sync that is incomplete.
    `synced_from`, `synced_at`: begin and end of the last complete one.
    """

    number: int
    name: str
    place: str = ""
    began_at: str = ""
    synced_from: str = ""
    synced_at: str = ""


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """The claim of a source on an image. `url`: what it lists; empty for the stored URL."""

    number: int
    id: str
    source: int
    url: str


_COLUMNS = ", ".join(SourceRow.__dataclass_fields__)
_LIVE = "removed_generation IS NULL"
_OWNER_COLUMNS = ", ".join(OwnerRow.__dataclass_fields__)


class SourceTable:
    """The tables `sources` and `owners`. A file of an older format has none of both."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._sources = connection.schema.table("sources")
        self._owners = connection.schema.table("owners")
        self.places: Mapping[str, str] = {}
        """Paths of sources that claims are about to name, where these names are no paths."""
        self._source_types = RowTypes(
            self._sources, [*SourceRow.__dataclass_fields__], connection.path
        )
        self._owner_types = RowTypes(
            self._owners, [*OwnerRow.__dataclass_fields__], connection.path
        )

    def all(self) -> list[SourceRow]:
        """Return all sources in the order in which they were first seen."""
        if not self._sql.columns_of(self._sources):
            return []
        rows = self._sql.query(f"SELECT {_COLUMNS} FROM sources ORDER BY number")
        return list(map(self._source, rows))

    def _source(self, row: Sequence[Any]) -> SourceRow:
        self._source_types.check(row)
        return SourceRow(*row)

    def register(self, name: str, place: str = "") -> SourceRow:
        """Return the source called `name`, which is added if it is new. Inside a transaction.

        `place`: its path, as it was written. Of several spellings of one path the first is kept,
        with which the paths of its images begin.
        """
        sql = f"SELECT {_COLUMNS} FROM sources WHERE name = ?"
        if rows := self._sql.query(sql, [name]):
            known = self._source(rows[0])
            if place and os.path.realpath(place) != os.path.realpath(known.place):
                known = replace(known, place=place)
                self.update(known)
            return known
        # Above the owners' too: `repair` may have lost the row of a source and kept its claims.
        used = "SELECT max(number) AS n FROM sources UNION ALL SELECT max(source) FROM owners"
        newest = self._sql.query(f"SELECT max(n) FROM ({used})")[0][0] or 0
        row = SourceRow(newest + 1, name, place or name)
        self._sql.insert(self._sources, [asdict(row)])
        return row

    def update(self, row: SourceRow) -> None:
        """Store a source. Inside a transaction."""
        self._sql.insert(self._sources, [asdict(row)], existing="update")

    def claim_refs(self, refs: Iterable[ImageRef]) -> None:
        """Make each reference's source, if it has one, an owner of its id. Inside a transaction."""
        numbers: dict[str, int] = {}
        claims = []
        for ref in refs:
            if not ref.source:
                continue
            if ref.source not in numbers:
                name, place = ref.source, self.places.get(ref.source)
                if place is None and os.path.isabs(name):
                    name, place = os.path.realpath(name), name
                numbers[ref.source] = self.register(name, place or "").number
            claims.append((ref.id, numbers[ref.source], ""))
        self.claim(claims)

    def claim(self, claims: Iterable[tuple[str, int, str]]) -> None:
        """Store the claims of sources: id, number of the source, URL. Inside a transaction."""
        for batch in batches(claims):
            owners = self.owners(id_ for id_, _, _ in batch)
            known = {(own.id, own.source): own for rows in owners.values() for own in rows}
            changed, new = [], {}
            for id_, source, url in batch:
                owner = known.get((id_, source))
                if owner is None:
                    new[id_, source] = {"id": id_, "source": source, "url": url}
                elif owner.url != url:
                    changed.append((owner.number, {"url": url}))
            if new:
                first = 1 + (self._sql.query("SELECT max(number) FROM owners")[0][0] or 0)
                rows = [{"number": n, **row} for n, row in enumerate(new.values(), first)]
                self._sql.insert(self._owners, rows)
            self._sql.update(self._owners, changed)

    def owners(self, ids: Iterable[str]) -> dict[str, list[OwnerRow]]:
        """Return the owners of `ids`, by id, in the order of their claims."""
        found: dict[str, list[OwnerRow]] = {}
        sql = f"SELECT {_OWNER_COLUMNS} FROM owners WHERE id"
        for row in self._sql.query_batches(sql, ids):
            self._owner_types.check(row)
            found.setdefault(row[1], []).append(OwnerRow(*row))
        for rows in found.values():
            rows.sort(key=lambda owner: owner.number)
        return found

    def release(self, claims: Iterable[tuple[str, int]]) -> None:
        """Delete claims: id, number of the source. Inside a transaction."""
        self._sql.change_many("DELETE FROM owners WHERE id = ? AND source = ?", claims)

    def release_all(self, ids: Iterable[str]) -> None:
        """Delete all claims on `ids`. Inside a transaction."""
        self._sql.change_many("DELETE FROM owners WHERE id = ?", ((id_,) for id_ in ids))

    def counts(self) -> dict[int, int]:
        """Return how many ids each source owns, by its number."""
        if not self._sql.columns_of(self._owners):
            return {}
        return dict(self._sql.query("SELECT source, count(*) FROM owners GROUP BY source"))

    def image_counts(self) -> dict[int, int]:
        """How many images each source lists, by its number; 0: how many no source lists."""
        if not self._sql.columns_of(self._owners):
            return {0: self._sql.query(f"SELECT count(*) FROM images WHERE {_LIVE}")[0][0]}
        joined = "images LEFT JOIN owners ON owners.id = images.id"
        sql = f"SELECT ifnull(source, 0), count(*) FROM {joined} WHERE {_LIVE} GROUP BY 1"
        return dict(self._sql.query(sql))

    def unowned_keys(self) -> list[int]:
        """Return the keys of live images without an owner, ascending."""
        sql = (
            "SELECT key FROM images WHERE removed_generation IS NULL "
            "AND id NOT IN (SELECT id FROM owners) ORDER BY key"
        )
        return [row[0] for row in self._sql.query(sql)]

    def adopt(self, source: int) -> int:
        """Make a source the owner of all images without one; returns how many. In a transaction."""
        sql = (
            "SELECT id FROM images WHERE removed_generation IS NULL "
            "AND id NOT IN (SELECT id FROM owners) ORDER BY key"
        )
        ids = [row[0] for row in self._sql.query(sql)]
        self.claim((id_, source, "") for id_ in ids)
        return len(ids)
