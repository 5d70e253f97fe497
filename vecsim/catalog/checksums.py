"""A checksum in each row: a changed byte is found, and what is still as written is known.

SQLite's own check sees the structure of its pages, not the text in them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

# What is summed of each table, in this order. `removed_generation` is set later: it is null, or
# above `added_generation`, and partial indexes tell which.
SUMMED: Mapping[str, tuple[str, ...]] = {
    "settings": ("name", "value"),
    "counters": ("name", "value"),
    "images": (
        "key",
        "id",
        "url",
        "fields",
        "final_url",
        "http_status",
        "byte_count",
        "sha256",
        "width",
        "height",
        "format",
        "fetched_at",
        "etag",
        "last_modified",
        "warnings",
        "added_at",
        "added_generation",
    ),
    "failures": (
        "id",
        "url",
        "fields",
        "kind",
        "message",
        "http_status",
        "final_url",
        "attempts",
        "last_try",
    ),
    "segments": (
        "name",
        "vector_count",
        "first_key",
        "last_key",
        "byte_count",
        "sha256",
        "added_generation",
    ),
}

# Made once: `json.dumps` would make an encoder for each row.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def row_checksum(table: str, values: Sequence[Any]) -> int:
    """64 bits of the columns `SUMMED[table]` of one row, signed as SQLite stores them."""
    text = _encode([table, *values])
    digest = hashlib.blake2b(text.encode("ascii"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def is_as_written(table: str, values: Sequence[Any], checksum: Any) -> bool:
    """Whether a row has its own checksum. Rows of an older format, or added by hand, have none."""
    if checksum is None:
        return True
    try:
        return bool(row_checksum(table, values) == checksum)
    except TypeError:  # a value of a type that no column of ours has
        return False
