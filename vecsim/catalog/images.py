"""The images of an index: one row each, found by key, by id or by the hash of their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from vecsim.catalog.connection import Connection
from vecsim.catalog.row_checks import RowTypes, fields_from_json, fields_to_json
from vecsim.records import UNIFORM_ENTROPY, ImageFacts, ImageRef

# Each fact has a column of its name.
_FACTS = tuple(ImageFacts.__dataclass_fields__)
_facts_of = attrgetter(*_FACTS)
_REFERENCE = ("id", "url", "fields")
_SELECTED = ("key", *_REFERENCE, *_FACTS, "added_at", "missing_since", "unlisted")
_PRESENT: Mapping[str, Any] = {"missing_since": None, "unlisted": None}
_LIVE = "AND removed_generation IS NULL"


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One stored image: its key, its reference, and what its bytes were.

    `missing_since`: when it was first found to be gone (UTC, ISO 8601); None while it is there.
    `unlisted`: it counts as gone because no source lists it, though its file was there.
    """

    key: int
    ref: ImageRef
    facts: ImageFacts
    added_at: str
    missing_since: str | None = None
    unlisted: bool = False


class ImageTable:
    """The table `images`.

    Rows keep their key, id, URL and SHA-256 until they are removed, so that readers keep their
    snapshot; a refresh updates the facts of the download.
    """

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self._table = connection.schema.table("images")
        self._present = connection.columns_of(self._table)
        self._types = RowTypes(self._table, _SELECTED, connection.path)
        self._name_types = RowTypes(self._table, ("key", "id", "sha256"), connection.path)
        self._ref_types = RowTypes(self._table, ("key", *_REFERENCE), connection.path)
        self._select = f"SELECT {self._table.selected(self._present, _SELECTED)} FROM images WHERE"

    def insert(self, rows: Iterable[ImageRow], generation: int) -> int:
        """Insert rows, and mark live rows of the same ids as removed.

        Returns how many were marked. Inside a transaction.
        """
        replaced = 0
        for batch in _batches_of_unique_ids(rows):
            replaced += self.mark_removed((row.ref.id for row in batch), generation)
            self._sql.insert(self._table, [_values(row, generation) for row in batch])
        return replaced

    def update_facts(self, facts: Iterable[tuple[int, ImageFacts]]) -> None:
        """Store newer facts of images, by key, whose bytes are the same, and which are there.

        Inside a transaction.
        """
        changes = ((key, {**_facts_by_name(f), **_PRESENT}) for key, f in facts)
        self._sql.update(self._table, changes)

    def update_fields(self, fields: Iterable[tuple[int, Mapping[str, str]]]) -> None:
        """Store other carried fields of images, by key. Inside a transaction."""
        changes = ((key, {"fields": fields_to_json(newer)}) for key, newer in fields)
        self._sql.update(self._table, changes)

    def mark_missing(self, keys: Iterable[int], moment: str, *, unlisted: bool = False) -> None:
        """Note that images are gone, by key; an earlier moment stays. Inside a transaction.

        `unlisted`: their files are there, but no source lists them.
        """
        for key in keys:
            row = self.by_key([key])[key]
            facts = {
                "missing_since": row.missing_since or moment,
                "unlisted": 1 if unlisted or row.unlisted else None,
            }
            self._sql.update(self._table, [(key, facts)])

    def mark_present(self, keys: Iterable[int]) -> None:
        """Note that images are there, by key. Inside a transaction."""
        self._sql.update(self._table, ((key, _PRESENT) for key in keys))

    def mark_removed(self, ids: Iterable[str], generation: int) -> int:
        """Mark live images as removed; returns how many were live. Inside a transaction."""
        statement = f"UPDATE images SET removed_generation = ? WHERE id = ? {_LIVE}"
        return self._sql.change_many(statement, ((generation, id_) for id_ in ids))

    def insert_tombstones(self, keys: Iterable[int], now: str, generation: int) -> None:
        """Insert rows of images of which nothing is known, as removed. Inside a transaction."""
        rows = (ImageRow(key, ImageRef("", ""), ImageFacts(), now) for key in keys)
        removed = {"removed_generation": generation}
        self._sql.insert(self._table, [_values(row, generation) | removed for row in rows])

    def delete_removed(self) -> int:
        """Delete the rows of removed images, whose vectors are gone. Inside a transaction."""
        return self._sql.change("DELETE FROM images WHERE removed_generation IS NOT NULL")

    def removed_keys(self) -> list[int]:
        """Return the keys of removed images that still have a row, ascending."""
        # Sorted here: with ORDER BY, SQLite reads all rows instead of the index of these.
        sql = "SELECT key FROM images WHERE removed_generation IS NOT NULL"
        return sorted(row[0] for row in self._sql.query(sql))

    def live_keys(self) -> list[int]:
        """Return the keys of all live images, ascending."""
        sql = f"SELECT key FROM images WHERE 1 {_LIVE} ORDER BY key"
        return [row[0] for row in self._sql.query(sql)]

    def keys_added_since(self, time: str) -> list[int]:
        """Keys, removed ones included, added at or after `time` (UTC, ISO 8601), ascending."""
        sql = "SELECT key FROM images WHERE added_at >= ? ORDER BY key"
        return [row[0] for row in self._sql.query(sql, [time])]

    def keys_added_between(self, first: str, last: str) -> list[int]:
        """Keys, removed ones included, added from `first` to `last`, inclusive, ascending."""
        sql = "SELECT key FROM images WHERE added_at BETWEEN ? AND ? ORDER BY key"
        return [row[0] for row in self._sql.query(sql, [first, last])]

    def by_key(self, keys: Iterable[int]) -> dict[int, ImageRow]:
        """Rows, removed ones included, by key."""
        rows = self._sql.query_batches(f"{self._select} key", keys)
        return {row[0]: self._row(row) for row in rows}

    def names_by_key(self, keys: Iterable[int]) -> dict[int, tuple[str, bool]]:
        """Return the id of each image, and whether its vector came with bytes, by key.

        Removed images are included. Takes a tenth of the time of `by_key`.
        """
        found = {}
        for rows in self._sql.row_batches("SELECT key, id, sha256 FROM images WHERE key", keys):
            self._name_types.check_all(rows)
            found.update({key: (image_id, sha256 != "") for key, image_id, sha256 in rows})
        return found

    def references_by_key(self, keys: Iterable[int]) -> dict[int, ImageRef]:
        """Return the reference of each image, by key; removed images are included."""
        sql = f"SELECT key, {', '.join(_REFERENCE)} FROM images WHERE key"
        found = {}
        for rows in self._sql.row_batches(sql, keys):
            self._ref_types.check_all(rows)
            for key, image_id, url, fields in rows:
                found[key] = ImageRef(image_id, url, fields_from_json(fields, self._sql.path))
        return found

    def by_id(self, ids: Iterable[str]) -> dict[str, ImageRow]:
        """Return live rows by id."""
        rows = self._sql.query_batches(f"{self._select} id", ids, tail=_LIVE)
        return {row[1]: self._row(row) for row in rows}

    def by_id_at(self, ids: Iterable[str], generation: int) -> dict[str, ImageRow]:
        """Return the rows by id as they were in `generation`."""
        ids = list(ids)
        found = {}
        # Two statements, each of which can use its own partial index.
        for removal in ("removed_generation IS NULL", f"removed_generation > {generation}"):
            tail = f"AND {removal} AND added_generation <= {generation}"
            for row in self._sql.query_batches(f"{self._select} id", ids, tail=tail):
                found[row[1]] = self._row(row)
        return found

    def by_sha256(self, sha256: str) -> ImageRow | None:
        """Return a live image with these bytes, if there is one."""
        # SQLite's index of this column leaves out the empty hash of vectors without an image.
        rows = self._sql.query(
            f"{self._select} sha256 = ? AND sha256 <> '' {_LIVE} LIMIT 1", [sha256]
        )
        return self._row(rows[0]) if rows else None

    def newest_added_at(self) -> str:
        """Return the latest `added_at`, removed images included; "" without rows."""
        return str(self._sql.query("SELECT max(added_at) FROM images")[0][0] or "")

    def all_keys(self) -> list[int]:
        """Return the keys of all rows, removed ones included, ascending."""
        return [row[0] for row in self._sql.query("SELECT key FROM images ORDER BY key")]

    def by_hashes(self, hashes: Iterable[str], generation: int) -> list[ImageRow]:
        """Return the rows in `generation`, by key, of images with bytes of these hashes."""
        sql = f"{self._select} {live_in(generation)} AND sha256 <> '' AND sha256"
        return sorted(map(self._row, self._sql.query_batches(sql, hashes)), key=attrgetter("key"))

    def uniform_keys(self, generation: int) -> list[int]:
        """Return the keys, ascending, of the images in `generation` that have uniform pictures."""
        if "entropy" not in self._present:
            return []
        condition = f"entropy <= {UNIFORM_ENTROPY} AND {live_in(generation)}"
        rows = self._sql.query(f"SELECT key FROM images WHERE {condition} ORDER BY key")
        return [row[0] for row in rows]

    def warnings(self) -> Iterator[tuple[str, str, str]]:
        """Yield id, URL and the decoder's warnings of each live image that has some."""
        sql = f"SELECT key, id, url, warnings FROM images WHERE warnings <> '' {_LIVE} AND key"
        if "warnings" in self._present:
            yield from (row[1:] for row in self._sql.scan(sql))

    def all(self) -> Iterator[ImageRow]:
        """Yield all live rows in the order of their keys."""
        return map(self._row, self._sql.scan(f"{self._select} key", tail=_LIVE))

    def count(self) -> int:
        """Return how many images are live."""
        return int(self._sql.query(f"SELECT count(*) FROM images WHERE 1 {_LIVE}")[0][0])

    def _row(self, row: Sequence[Any]) -> ImageRow:
        self._types.check(row)
        key, id_, url, fields, *facts, added_at, missing_since, unlisted = row
        ref = ImageRef(id_, url, fields_from_json(fields, self._sql.path))
        return ImageRow(key, ref, ImageFacts(*facts), added_at, missing_since, bool(unlisted))


def _batches_of_unique_ids(rows: Iterable[ImageRow]) -> Iterator[list[ImageRow]]:
    """Yield all rows in their order, in batches in which no id occurs twice."""
    batch: dict[str, ImageRow] = {}
    for row in rows:
        if row.ref.id in batch:
            yield list(batch.values())
            batch = {}
        batch[row.ref.id] = row
    yield list(batch.values())


def _facts_by_name(facts: ImageFacts) -> dict[str, Any]:
    return dict(zip(_FACTS, _facts_of(facts), strict=True))


def _values(row: ImageRow, generation: int) -> dict[str, Any]:
    """Return the columns of a row that is added by `generation`."""
    return {
        "key": row.key,
        "id": row.ref.id,
        "url": row.ref.url,
        "fields": fields_to_json(row.ref.fields),
        **_facts_by_name(row.facts),
        "added_at": row.added_at,
        "added_generation": generation,
    }


def live_in(generation: int) -> str:
    """Return the condition that a row was live in `generation`."""
    return (
        f"added_generation <= {generation} "
        f"AND (removed_generation IS NULL OR removed_generation > {generation})"
    )
