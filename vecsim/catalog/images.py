"""The images of an index: one row each, found by key, by id or by the hash of their bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from vecsim.catalog.checksums import SUMMED, row_checksum
from vecsim.catalog.connection import Connection, damaged
from vecsim.records import ImageFacts, ImageRef

_FACTS = tuple(ImageFacts.__dataclass_fields__)
_facts_of = attrgetter(*_FACTS)
_COLUMNS = ("key", "id", "url", "fields", *_FACTS, "added_at")
_LIVE = "AND removed_generation IS NULL"

# Made once: `json.dumps` would make an encoder for each row.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One stored image: its key, its reference, and what its bytes were."""

    key: int
    ref: ImageRef
    facts: ImageFacts
    added_at: str


@dataclass(frozen=True, slots=True)
class SharedBytes:
    """Bytes that many images have: their hash, how many images, of how many different URLs."""

    sha256: str
    images: int
    urls: int


class ImageTable:
    """Rows keep their key, id, URL and bytes until they are removed, so that readers keep their
    snapshot; what is noted of the download is renewed by a refresh.
    """

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        # What a later version added is empty in an older catalog that is only read.
        there = connection.columns_of("images")
        self._has_warnings = "warnings" in there
        names = [name if name in there else f"'' AS {name}" for name in _COLUMNS]
        self._select = f"SELECT {', '.join(names)} FROM images WHERE"

    def insert(self, rows: Iterable[ImageRow], generation: int) -> int:
        """Add rows, each in place of a live one of its id; returns how many of those there were.

        Inside a transaction.
        """
        replaced = 0
        columns = (*_COLUMNS, "added_generation", "checksum")
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO images ({', '.join(columns)}) VALUES ({marks})"
        for part in _without_repeats(rows):
            replaced += self.mark_removed((row.ref.id for row in part), generation)
            self._sql.change_many(statement, (_values(row, generation) for row in part))
        return replaced

    def renew(self, facts: Iterable[tuple[int, ImageFacts]]) -> None:
        """Note newer facts of images whose bytes are the same. Inside a transaction."""
        statement = f"UPDATE images SET {', '.join(f'{name} = ?' for name in _FACTS)} WHERE key = ?"
        summed = f"SELECT {', '.join(SUMMED['images'])} FROM images WHERE key = ?"
        for key, newer in facts:
            self._sql.query(statement, [*_facts_of(newer), key])
            (row,) = self._sql.query(summed, [key])
            checksum = row_checksum("images", row)
            self._sql.query("UPDATE images SET checksum = ? WHERE key = ?", [checksum, key])

    def mark_removed(self, ids: Iterable[str], generation: int) -> int:
        """Mark live images as removed; returns how many were live. Inside a transaction."""
        statement = f"UPDATE images SET removed_generation = ? WHERE id = ? {_LIVE}"
        return self._sql.change_many(statement, ((generation, id_) for id_ in ids))

    def entomb(self, keys: Iterable[int], moment: str, generation: int) -> None:
        """Add rows of images of which nothing is known, removed at once. Inside a transaction."""
        columns = (*_COLUMNS, "added_generation", "removed_generation", "checksum")
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO images ({', '.join(columns)}) VALUES ({marks})"
        facts = _facts_of(ImageFacts())
        for key in keys:
            values = [key, "", "", "{}", *facts, moment, generation]
            row = [*values, generation, row_checksum("images", values)]
            self._sql.query(statement, row)

    def prune_removed(self) -> int:
        """Forget the rows of removed images, whose vectors are gone. Inside a transaction."""
        return self._sql.change("DELETE FROM images WHERE removed_generation IS NOT NULL")

    def removed_keys(self) -> list[int]:
        """Keys of removed images that still have a row, ascending."""
        # Sorted here: asked to sort, SQLite would rather read all rows than the index of these.
        sql = "SELECT key FROM images WHERE removed_generation IS NOT NULL"
        return sorted(row[0] for row in self._sql.query(sql))

    def live_keys(self) -> list[int]:
        """Keys of all live images, ascending."""
        sql = f"SELECT key FROM images WHERE 1 {_LIVE} ORDER BY key"
        return [row[0] for row in self._sql.query(sql)]

    def keys_added_since(self, moment: str) -> list[int]:
        """Keys, removed ones included, added at or after `moment` (UTC, ISO 8601), ascending."""
        sql = "SELECT key FROM images WHERE added_at >= ? ORDER BY key"
        return [row[0] for row in self._sql.query(sql, [moment])]

    def by_key(self, keys: Iterable[int]) -> dict[int, ImageRow]:
        """Rows, removed ones included, by key."""
        rows = self._sql.query_batches(f"{self._select} key", keys)
        return {row[0]: self._row(row) for row in rows}

    def by_id(self, ids: Iterable[str]) -> dict[str, ImageRow]:
        """Live rows by id."""
        rows = self._sql.query_batches(f"{self._select} id", ids, tail=_LIVE)
        return {row[1]: self._row(row) for row in rows}

    def by_id_at(self, ids: Iterable[str], generation: int) -> dict[str, ImageRow]:
        """Rows by id as they were when `generation` was the newest."""
        ids = list(ids)
        found = {}
        # Two statements, each of which can use its own partial index.
        for since_then in ("removed_generation IS NULL", f"removed_generation > {generation}"):
            tail = f"AND {since_then} AND added_generation <= {generation}"
            for row in self._sql.query_batches(f"{self._select} id", ids, tail=tail):
                found[row[1]] = self._row(row)
        return found

    def with_bytes(self, sha256: str) -> ImageRow | None:
        """A live image with these bytes, if there is one."""
        # The empty hash of an image that never had bytes is left out of the index on purpose.
        rows = self._sql.query(
            f"{self._select} sha256 = ? AND sha256 <> '' {_LIVE} LIMIT 1", [sha256]
        )
        return self._row(rows[0]) if rows else None

    def newest_added_at(self) -> str:
        """The latest moment at which an image was added, removed ones included; "" if none was."""
        return str(self._sql.query("SELECT max(added_at) FROM images")[0][0] or "")

    def all_keys(self) -> list[int]:
        """Keys of all rows, removed ones included, ascending."""
        return [row[0] for row in self._sql.query("SELECT key FROM images ORDER BY key")]

    def shared_bytes(self, least: int, generation: int) -> list[SharedBytes]:
        """Bytes that at least `least` images had in `generation`, most frequent first."""
        # The inner query is answered from the index alone; few rows are left to look at.
        frequent = (
            "SELECT sha256 FROM images WHERE sha256 <> '' GROUP BY sha256 HAVING count(*) >= ?"
        )
        sql = (
            f"SELECT sha256, count(*), count(DISTINCT url) FROM images "
            f"WHERE sha256 <> '' AND sha256 IN ({frequent}) AND {_then(generation)} "
            f"GROUP BY sha256 HAVING count(*) >= ? ORDER BY 2 DESC, 1"
        )
        return [SharedBytes(*row) for row in self._sql.query(sql, [least, least])]

    def urls_of(self, sha256: str, limit: int, generation: int) -> list[str]:
        """Some of the URLs, in the order of their images, whose bytes had this hash."""
        sql = (
            f"SELECT url FROM images WHERE sha256 = ? AND sha256 <> '' AND {_then(generation)} "
            f"GROUP BY url ORDER BY min(key) LIMIT ?"
        )
        return [str(row[0]) for row in self._sql.query(sql, [sha256, limit])]

    def keys_with_bytes(self, hashes: Iterable[str]) -> list[int]:
        """Keys, removed ones included, of images whose bytes have one of these hashes."""
        sql = "SELECT key FROM images WHERE sha256 <> '' AND sha256"
        return sorted(row[0] for row in self._sql.query_batches(sql, hashes))

    def warnings(self) -> Iterator[tuple[str, str, str]]:
        """Id, URL and the decoder's complaints of each live image that has some."""
        sql = f"SELECT key, id, url, warnings FROM images WHERE warnings <> '' {_LIVE} AND key"
        if self._has_warnings:
            yield from (row[1:] for row in self._sql.scan(sql))

    def all(self) -> Iterator[ImageRow]:
        """All live rows in the order of their keys."""
        return map(self._row, self._sql.scan(f"{self._select} key", tail=_LIVE))

    def count(self) -> int:
        """How many images are live."""
        return int(self._sql.query(f"SELECT count(*) FROM images WHERE 1 {_LIVE}")[0][0])

    def _row(self, row: Sequence[Any]) -> ImageRow:
        key, id_, url, fields, *facts, added_at = row
        ref = ImageRef(id_, url, fields_from_json(fields, self._sql.path))
        return ImageRow(key, ref, ImageFacts(*facts), added_at)


def _without_repeats(rows: Iterable[ImageRow]) -> Iterator[list[ImageRow]]:
    """All rows in their order, in parts within which no id comes twice."""
    part: dict[str, ImageRow] = {}
    for row in rows:
        if row.ref.id in part:
            yield list(part.values())
            part = {}
        part[row.ref.id] = row
    yield list(part.values())


def _values(row: ImageRow, generation: int) -> list[Any]:
    """What the columns of a row are given, its checksum last."""
    fields = fields_to_json(row.ref.fields)
    facts = _facts_of(row.facts)
    values = [row.key, row.ref.id, row.ref.url, fields, *facts, row.added_at, generation]
    return [*values, row_checksum("images", values)]


def _then(generation: int) -> str:
    """The condition that a row was live in `generation`."""
    return (
        f"added_generation <= {generation} "
        f"AND (removed_generation IS NULL OR removed_generation > {generation})"
    )


def fields_to_json(fields: Mapping[str, str]) -> str:
    """Carried fields as they are stored."""
    return _encode(dict(fields))


def fields_from_json(text: str, catalog: Path) -> dict[str, str]:
    """What `fields_to_json` made. Raises `IndexDamagedError`."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise damaged(catalog, "the fields of an image cannot be read") from error
