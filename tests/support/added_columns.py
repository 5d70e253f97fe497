"""A format of the future: the present one and two more columns of images, by two migrations."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from vecsim.catalog import tables
from vecsim.catalog.migrations import CATALOG, Schema, update_rows
from vecsim.catalog.tables import Column

STARS = Column("stars", "INTEGER", "", since=4, default=3)
CAMERA = Column("camera", "TEXT", "", since=5, default="")


def camera_of(row: dict[str, Any]) -> str:
    """The camera that the migration stores for an image: that of every third key."""
    return f"Kamera {row['key']}" if row["key"] % 3 == 0 else ""


def add_camera(connection: sqlite3.Connection) -> None:
    """A migration in Python: it adds a column and fills it."""
    connection.execute("ALTER TABLE images ADD COLUMN camera TEXT NOT NULL DEFAULT ''")
    update_rows(
        connection,
        future_catalog().table("images"),
        lambda row: {"camera": camera_of(row)} if camera_of(row) else {},
    )


def future_catalog() -> Schema:
    """The catalog's schema with the columns `stars`, an integer, and `camera`, a text."""
    images = replace(tables.IMAGES, columns=(*tables.IMAGES.columns, STARS, CAMERA))
    return replace(
        CATALOG,
        tables=tuple(images if table.name == "images" else table for table in CATALOG.tables),
        migrations={
            **CATALOG.migrations,
            "0004_stars": "ALTER TABLE images ADD COLUMN stars INTEGER NOT NULL DEFAULT 3;",
            "0005_camera": add_camera,
        },
    )
