"""Checks values that are read from a table: SQLite keeps any value in any column.

A file that another program made may hold a number where the code expects a text, or name a file
outside the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vecsim.catalog.opening import catalog_damaged
from vecsim.catalog.table import Column, Row, Table
from vecsim.contained import ContainedPath
from vecsim.contained.names import parse_segment_name
from vecsim.records import Fingerprint

_MAX_DIM = 1 << 24

# Made once: `json.dumps` would make an encoder for each row.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

LARGEST = 1 << 62
"""Numbers in a catalog are smaller."""

_TYPES: dict[str, type] = {"INTEGER": int, "TEXT": str, "BLOB": bytes}


class RowTypes:
    """Checks rows that are read as the columns `names` of `table` from the file at `path`."""

    def __init__(self, table: Table, names: Sequence[str], path: ContainedPath) -> None:
        by_name = {column.name: column for column in table.columns}
        self._table = table
        self._columns = [by_name[name] for name in names]
        self._path = path
        # Rows have a few combinations of types, so that each row costs one look-up.
        self._right: set[tuple[type, ...]] = set()

    def check_all(self, rows: Sequence[Sequence[Any]]) -> None:
        """Do the same for many rows, in a fraction of the time: column by column."""
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=False):
            self._check_column(column, set(map(type, values)))

    def check(self, values: Sequence[Any]) -> None:
        """Raise `IndexDamagedError` if a value has a type that its column never has."""
        types = tuple(map(type, values))
        if types in self._right:
            return
        for column, found in zip(self._columns, types, strict=True):
            self._check_column(column, (found,))
        self._right.add(types)

    def _check_column(self, column: Column, types: Iterable[type]) -> None:
        if not all(_may_be(self._table, column, found) for found in types):
            raise catalog_damaged(
                self._path, f"a value of {self._table.name}.{column.name} is no {column.type}"
            )


def is_sound(table: Table, row: Row) -> bool:
    """Return whether a row has its own checksum, and values that the code that reads it expects."""
    return (
        all(_may_be(table, column, type(row[column.name])) for column in table.columns)
        and all(_in_range(row[c.name]) for c in table.columns if c.name != "checksum")
        and table.is_intact(row)
        and (table.name != "segments" or names_segment(row))
        and ("fields" not in row or parse_fields(row["fields"]) is not None)
    )


def names_segment(row: Row) -> bool:
    """Return whether a row of `segments` names a file that vecsim could have written."""
    first, last = row["first_key"], row["last_key"]
    parsed = parse_segment_name(row["name"])
    return (
        parsed is not None
        and parsed[:2] == (first, last)
        and 0 < row["vector_count"] <= last - first + 1
    )


def parse_fingerprint(text: str | bytes) -> Fingerprint | None:
    """Return the fingerprint of an index from its JSON; None if it is none."""
    try:
        found = Fingerprint(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = found.model, found.weights_sha256, found.preprocessing
    sound = type(found.dim) is int and 0 < found.dim < _MAX_DIM
    return found if sound and all(type(each) is str for each in texts) else None


def parse_fields(text: str) -> dict[str, str] | None:
    """Return carried fields from their JSON; None if it is anything but an object of texts."""
    if text == "{}":  # no column but those of id and URL: most lists
        return {}
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(fields, dict) or any(type(value) is not str for value in fields.values()):
        return None
    return fields


def fields_to_json(fields: Mapping[str, str]) -> str:
    """Return carried fields as they are stored."""
    return _encode(dict(fields))


def fields_from_json(text: str, catalog: ContainedPath) -> dict[str, str]:
    """Return the fields that `fields_to_json` stored. Raises `IndexDamagedError`."""
    fields = parse_fields(text)
    if fields is None:
        raise catalog_damaged(catalog, "the fields of an image cannot be read")
    return fields


def _in_range(value: object) -> bool:
    """Return whether a number leaves room for more keys, generations and sums."""
    return not isinstance(value, int) or abs(value) < LARGEST


def _may_be(table: Table, column: Column, found: type) -> bool:
    # SQLite itself allows null in a primary key of text.
    may_lack = column.nullable and column.name != table.key
    return found is _TYPES[column.type] or (may_lack and found is type(None))
