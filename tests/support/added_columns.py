"""A format of the future: the present one and two more columns of images, by two migrations."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from vecsim.catalog import tables
from vecsim.catalog.migrations import CATALOG, Schema, update_rows
from vecsim.catalog.table import Column

NUMBER = Column("test_number", "INTEGER", "", since=9998, default=3)
TEXT = Column("test_text", "TEXT", "", since=9999, default="")


def text_of(row: dict[str, Any]) -> str:
    """The text that the migration stores for an image: one for every third key."""
    return f"Wörter {row['key']}" if row["key"] % 3 == 0 else ""


def add_text(connection: sqlite3.Connection) -> None:
    """A migration in Python: it adds a column and fills it."""
    connection.execute("ALTER TABLE images ADD COLUMN test_text TEXT NOT NULL DEFAULT ''")
    update_rows(
        connection,
        future_catalog().table("images"),
        lambda row: {"test_text": text_of(row)} if text_of(row) else {},
    )


def future_catalog() -> Schema:
    """The catalog's schema with the columns `test_number`, an integer, and `test_text`, a text."""
    images = replace(tables.IMAGES, columns=(*tables.IMAGES.columns, NUMBER, TEXT))
    return replace(
        CATALOG,
        tables=tuple(images if table.name == "images" else table for table in CATALOG.tables),
        migrations={
            **CATALOG.migrations,
            "9998_test_number": (
                "ALTER TABLE images ADD COLUMN test_number INTEGER NOT NULL DEFAULT 3"
            ),
            "9999_test_text": add_text,
        },
    )
