"""The tables of an index and their columns.

`vecsim.catalog.migrations` creates the tables themselves; a test compares both.
"""

from __future__ import annotations

from dataclasses import replace

from vecsim.catalog.table import Column, Table, ThumbnailTable

CHECKSUM = Column(
    "checksum", "INTEGER", "of the row; see the rules", nullable=True, since=3, covered=False
)

SETTINGS = Table(
    "settings",
    "name",
    (
        Column("name", "TEXT", "primary key; the settings are listed below", nullable=True),
        Column("value", "TEXT", "as text"),
        CHECKSUM,
    ),
)

COUNTERS = Table(
    "counters",
    "name",
    (
        Column("name", "TEXT", "primary key: `generation` or `next_key`", nullable=True),
        Column("value", "INTEGER", "commits raise `generation`; `next_key` was never used yet"),
        CHECKSUM,
    ),
)

IMAGES = Table(
    "images",
    "key",
    (
        Column("key", "INTEGER", "primary key, from 1 on, never used again", nullable=True),
        Column("id", "TEXT", "unique among the images that are not removed"),
        Column("url", "TEXT", "where the image is"),
        Column("fields", "TEXT", "the other columns of the source: a JSON object of strings"),
        Column("final_url", "TEXT", "of the download, after redirects"),
        Column("http_status", "INTEGER", "of the download", nullable=True),
        Column("byte_count", "INTEGER", "of the file; 0 if the vector came without an image"),
        Column("sha256", "TEXT", "of the file; empty if the vector came without an image"),
        Column("width", "INTEGER", "in pixels, after EXIF orientation"),
        Column("height", "INTEGER", "in pixels, after EXIF orientation"),
        Column("format", "TEXT", "Pillow's name of the format"),
        Column("fetched_at", "TEXT", "when the file was downloaded or last found unchanged"),
        Column("etag", "TEXT", "of the download", nullable=True),
        Column("last_modified", "TEXT", "of the download", nullable=True),
        Column("warnings", "TEXT", "of the decoder, one a line", since=2, default=""),
        Column("added_at", "TEXT", "when the image was added"),
        Column("added_generation", "INTEGER", "the commit that added it"),
        # Set later, without a new checksum: null, or not below `added_generation`.
        Column(
            "removed_generation",
            "INTEGER",
            "the commit that removed it; null until then",
            nullable=True,
            covered=False,
        ),
        CHECKSUM,
        Column(
            "missing_since", "TEXT", "when the image was first found to be gone, else null", True, 4
        ),
        Column(
            "entropy", "INTEGER", "of the picture, in 0.001 bits; null: not measured", True, since=7
        ),
        Column(
            "unlisted",
            "INTEGER",
            "1: missing from its sources, its file was there; else null",
            True,
            8,
        ),
    ),
)

FAILURES = Table(
    "failures",
    "id",
    (
        Column("id", "TEXT", "primary key", nullable=True),
        Column("url", "TEXT", "of an image that could not be loaded"),
        Column("fields", "TEXT", "as in `images`"),
        Column("kind", "TEXT", "of the failure: `http`, `timeout`, …"),
        Column("message", "TEXT", "why the image could not be loaded"),
        Column("http_status", "INTEGER", "of the answer", nullable=True),
        Column("final_url", "TEXT", "after redirects", nullable=True),
        Column("attempts", "INTEGER", "in all runs together"),
        Column("last_try", "TEXT", "when it was tried last"),
        CHECKSUM,
    ),
)

SEGMENTS = Table(
    "segments",
    "name",
    (
        Column("name", "TEXT", "primary key: the file in `segments/`", nullable=True),
        Column("vector_count", "INTEGER", "vectors in the file"),
        Column("first_key", "INTEGER", "of the vectors, inclusive"),
        Column("last_key", "INTEGER", "of the vectors, inclusive"),
        Column("byte_count", "INTEGER", "of the file"),
        Column("sha256", "TEXT", "of the file"),
        Column("added_generation", "INTEGER", "the commit that added it"),
        CHECKSUM,
    ),
)

SOURCES = Table(
    "sources",
    "number",
    (
        Column("number", "INTEGER", "primary key", nullable=True, since=5),
        Column("name", "TEXT", "of the source, unique; by default its path", since=5, default=""),
        Column("place", "TEXT", "path of the list or folder", since=5, default=""),
        Column("began_at", "TEXT", "of a sync that is incomplete, else empty", since=5, default=""),
        Column("synced_from", "TEXT", "begin of the last complete sync", since=5, default=""),
        Column("synced_at", "TEXT", "end of the last complete sync", since=5, default=""),
        replace(CHECKSUM, since=5),
    ),
    positional_format=5,
)

OWNERS = Table(
    "owners",
    "number",
    (
        Column("number", "INTEGER", "primary key; ascending as claimed", nullable=True, since=5),
        Column("id", "TEXT", "of an image or failure that a source lists", since=5, default=""),
        Column("source", "INTEGER", "number of that source", since=5, default=0),
        Column("url", "TEXT", "that it lists; empty for the stored one", since=5, default=""),
        replace(CHECKSUM, since=5),
    ),
    positional_format=5,
)

DECISIONS = Table(
    "decisions",
    "pair",
    (
        Column("pair", "TEXT", "primary key: A:B, both SHA-256, A < B", nullable=True, since=6),
        Column("verdict", "TEXT", "`same` or `different`", since=6),
        Column("decided_at", "TEXT", "when it was decided", since=6),
        replace(CHECKSUM, since=6),
    ),
    positional_format=6,
)

THUMBNAILS = ThumbnailTable(
    "thumbnails",
    "key",
    (
        Column("key", "INTEGER", "primary key: that of the image", nullable=True),
        Column("webp", "BLOB", "the picture as JPEG or WebP, upright, at most 160 pixels a side"),
        Column(
            "checksum",
            "INTEGER",
            "CRC-32 of `webp`, started with the low 32 bits of `key`; null counts as right",
            nullable=True,
            since=2,
            covered=False,
        ),
    ),
    positional_format=2,
)
