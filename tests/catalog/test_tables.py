"""The definition of the tables, the migrations that make them, and the checksums of their rows."""

from __future__ import annotations

import hashlib
import importlib.util
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index
from vecsim.catalog import ThumbnailStore, migrations
from vecsim.catalog.connection import Connection
from vecsim.catalog.migrations import Schema
from vecsim.catalog.table import Column
from vecsim.contained import ContainedPath
from vecsim.errors import IndexDamagedError
from vecsim.index import Snapshot
from vecsim.records import ImageFacts

SCHEMAS = [migrations.CATALOG, migrations.THUMBNAILS]
DOCS = Path(__file__).parents[2] / "docs"

# Of each migration that was released, the SHA-256 of its text: they never change.
RELEASED = {
    "vecsim": {
        "0001_initial": "69411a121c9447489dce8d6ca11d24a0d1a5dbac25ef18f580eceb2c1dde64ca",
        "0002_warnings": "2de8f2c88c02880404b68d981efdf90ad770f3edf6ce96ec99c6d7d3f31cb170",
        "0003_checksums": "c7530e06a50f560ff463c73f80354483b0e45f446cece4de69bf595c9f4f59ff",
        "0004_missing": "a61553c70103e5d7b983f5fe1ea1094a243c94fa69c03e26ca3920ffcdbcd417",
        "0005_sources": "3144c6c1aa8993bc31bc43c44535aa1328ab299b824aaa625dd8c0a24457746b",
        "0006_decisions": "a13c7bd99cdf2ce30194b89e207370d674e11bfd5c3b89ff0fdb83c816f8fcfd",
    },
    "vecsim-thumbnails": {
        "0001_initial": "d9fae67e1c7a548613b71fafebc1b99a61d487cbbad0d53e86d1f0fbac53b8d1",
        "0002_checksum": "f3bb51ed6d517bcf9de7753c73122f3f969c297e1f03717336343767f6ca4f3a",
    },
}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_the_migrations_make_the_tables_as_they_are_defined(schema: Schema, tmp_path: Path) -> None:
    Connection.create(ContainedPath(tmp_path, ("file.db",)), schema).close()
    with closing(sqlite3.connect(tmp_path / "file.db")) as connection:
        for table in schema.tables:
            made = {
                name: (type_, not not_null, default, bool(key))
                for _, name, type_, not_null, default, key in connection.execute(
                    f"PRAGMA table_info({table.name})"
                )
            }
            assert made == {
                column.name: (
                    column.type,
                    column.nullable,
                    None if column.default is None else column.sql_default,
                    column.name == table.key,
                )
                for column in table.columns
            }


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_a_new_file_is_what_sqlite_utils_would_make(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(":memory:")) as new, closing(sqlite3.connect(":memory:")) as other:
        schema.apply(new)
        monkeypatch.setattr(Schema, "_make", Schema._bring_up_to_date)
        schema.apply(other)
        for query in (
            "SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_master",
            "SELECT id, migration_set, name, length(applied_at) FROM _sqlite_migrations",
        ):
            assert new.execute(query).fetchall() == other.execute(query).fetchall()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_released_migrations_have_not_changed(schema: Schema) -> None:
    released = RELEASED[schema.name]
    assert list(schema.migrations)[: len(released)] == list(released)
    for name, expected in released.items():
        text = schema.migrations[name]
        assert isinstance(text, str)
        assert hashlib.sha256(text.encode()).hexdigest() == expected, f"{name} has changed"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_each_column_names_the_format_that_added_it(schema: Schema) -> None:
    for table in schema.tables:
        assert len(set(table.names)) == len(table.names)
        later = [column for column in table.columns if column.since > table.positional_format]
        assert list(table.columns[len(table.columns) - len(later) :]) == later
        for column in table.columns:
            assert 1 <= column.since <= int(list(schema.migrations)[-1].split("_")[0])
            first = table.columns[0].since  # that of the table itself
            assert column.nullable or column.since == first or column.default is not None


def test_each_fact_of_an_image_has_a_column() -> None:
    assert set(ImageFacts.__dataclass_fields__) <= set(migrations.CATALOG.table("images").names)


def test_the_checksum_of_a_row_is_what_format_3_wrote() -> None:
    settings = migrations.CATALOG.table("settings")
    row = {"name": "threshold", "value": "0.75"}
    # As in the golden index v3.
    assert settings.checksum(row) == -347835199999572414
    assert settings.is_intact({**row, "checksum": -347835199999572414})
    assert settings.is_intact({**row, "checksum": None})
    assert not settings.is_intact({**row, "value": "0.76", "checksum": -347835199999572414})
    assert not settings.is_intact({**row, "value": b"0.75", "checksum": None})


def test_a_column_at_its_default_changes_no_checksum() -> None:
    settings = migrations.CATALOG.table("settings")
    more = Column("more", "TEXT", "", since=4, default="")
    extended = replace(settings, columns=(*settings.columns, more))
    row = {"name": "threshold", "value": "0.75"}
    assert extended.checksum(row) == settings.checksum(row)
    assert extended.checksum({**row, "more": ""}) == settings.checksum(row)
    assert extended.checksum({**row, "more": "x"}) != settings.checksum(row)
    # In another order, or with more columns of which this row has none, it stays the same.
    another = Column("another", "INTEGER", "", nullable=True, since=5)
    both = replace(settings, columns=(*settings.columns, another, more))
    assert both.checksum({**row, "more": "x"}) == extended.checksum({**row, "more": "x"})


def test_columns_that_a_file_lacks_are_selected_as_their_typed_defaults() -> None:
    settings = migrations.CATALOG.table("settings")
    columns = (
        *settings.columns,
        Column("text", "TEXT", "", since=4, default="it's"),
        Column("number", "INTEGER", "", since=4, default=-1),
        Column("absent", "TEXT", "", nullable=True, since=4),
    )
    extended = replace(settings, columns=columns)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE settings (name TEXT, value TEXT)")
        connection.execute("INSERT INTO settings VALUES ('a', 'b')")
        select = extended.selected({"name", "value"})
        values = connection.execute(f"SELECT {select} FROM settings").fetchone()
    assert extended.row(values) == {
        "name": "a",
        "value": "b",
        "checksum": None,
        "text": "it's",
        "number": -1,
        "absent": None,
    }


def test_a_column_can_be_added_to_the_thumbnails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ThumbnailStore(ContainedPath(tmp_path, ("thumbnails.db",)))
    store.put({1: b"one", 2: b"two"})
    store.close()
    table = migrations.THUMBNAILS.table("thumbnails")
    column = Column("side", "INTEGER", "", since=3, default=160)
    future = replace(
        migrations.THUMBNAILS,
        tables=(replace(table, columns=(*table.columns, column)),),
        migrations={
            **migrations.THUMBNAILS.migrations,
            "0003_side": "ALTER TABLE thumbnails ADD COLUMN side INTEGER NOT NULL DEFAULT 160",
        },
    )
    monkeypatch.setattr(migrations, "THUMBNAILS", future)
    assert store.get([1, 2, 3]) == {1: b"one", 2: b"two"}
    store.put({3: b"three"})
    assert store.check_integrity() == ("", [])
    with closing(sqlite3.connect(tmp_path / "thumbnails.db")) as connection, connection:
        connection.execute("UPDATE thumbnails SET side = 80 WHERE key = 2")
    assert store.check_integrity() == ("", [2])
    assert store.get([1, 2, 3]) == {1: b"one", 3: b"three"}
    store.close()


def test_the_page_of_the_format_has_the_tables_as_they_are_defined() -> None:
    spec = importlib.util.spec_from_file_location("make_format", DOCS / "make_format.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    page = (DOCS / "index-format.md").read_text(encoding="utf-8")
    assert generator.with_tables(page) == page, "run: python docs/make_format.py"


@pytest.mark.parametrize(
    ("column", "read"),
    [("id", "names_by_key"), ("sha256", "names_by_key"), ("url", "references_by_key")],
)
def test_a_wrong_type_among_many_rows_is_damage(column: str, read: str, tmp_path: Path) -> None:
    Index.from_vectors(tmp_path / "index", np.eye(8), range(8)).close()
    with closing(sqlite3.connect(tmp_path / "index" / "catalog.db")) as connection:
        connection.execute(f"UPDATE images SET {column} = x'00' WHERE key = 5")
        connection.commit()
    with Snapshot(tmp_path / "index") as snapshot:
        images = snapshot.catalog.images
        assert len(getattr(images, read)([1, 2, 3])) == 3
        with pytest.raises(IndexDamagedError, match=f"a value of images.{column} is no TEXT"):
            getattr(images, read)(range(1, 9))
