"""The tables of the catalog, as numbered migrations: a new version appends, never edits."""

from __future__ import annotations

from vecsim.catalog.checksums import SUMMED
from vecsim.catalog.migrations import Schema

_INITIAL = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters VALUES ('generation', 0), ('next_key', 1);
CREATE TABLE images (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    fields TEXT NOT NULL,
    final_url TEXT NOT NULL,
    http_status INTEGER,
    byte_count INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    format TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    added_at TEXT NOT NULL,
    added_generation INTEGER NOT NULL,
    removed_generation INTEGER
);
CREATE UNIQUE INDEX images_live_id ON images (id) WHERE removed_generation IS NULL;
CREATE INDEX images_removed ON images (id) WHERE removed_generation IS NOT NULL;
CREATE INDEX images_sha256 ON images (sha256) WHERE sha256 <> '';
CREATE INDEX images_added_at ON images (added_at);
CREATE TABLE failures (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    fields TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    http_status INTEGER,
    final_url TEXT,
    attempts INTEGER NOT NULL,
    last_try TEXT NOT NULL
);
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    vector_count INTEGER NOT NULL,
    first_key INTEGER NOT NULL,
    last_key INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    added_generation INTEGER NOT NULL
);
"""

_WARNINGS = """
ALTER TABLE images ADD COLUMN warnings TEXT NOT NULL DEFAULT '';
CREATE INDEX images_warnings ON images (key) WHERE warnings <> '';
"""

_CHECKSUMS = "".join(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER;" for table in SUMMED)

CATALOG = Schema(
    "vecsim",
    {"0001_initial": _INITIAL, "0002_warnings": _WARNINGS, "0003_checksums": _CHECKSUMS},
    # Ids and hashes come in no order: a commit of 4,096 rows touches a page of each index for each.
    writer_cache_kb=16_384,
)
