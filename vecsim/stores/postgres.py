"""PostgreSQL with pgvector: a table, whose comment describes what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from vecsim.errors import InputError
from vecsim.records import Float32
from vecsim.stores.rows import FACTS, NUMBERS, Batch, Manifest, batch_of_rows
from vecsim.stores.store import Place, extra, store_errors

_TYPES = {
    "key": "bigint",
    "id": "text",
    "url": "text",
    **{name: "bigint" if name in NUMBERS else "text" for name in FACTS},
    "fields": "jsonb",
    "checksum": "bigint",
    "vector": "vector",
}
_NULLABLE = {"checksum", "http_status", "etag", "last_modified", "entropy"}


class PostgresStore:
    """One table of a database; the name may have a schema before a dot."""

    is_database = True

    def __init__(self, place: Place) -> None:
        with extra("pgvector", place):
            import pgvector.psycopg
            import psycopg
            import psycopg.sql
            import psycopg.types.json
        self._place = place
        self._sql: Any = psycopg.sql
        self._jsonb: Any = psycopg.types.json.Jsonb
        self._vector: Any = pgvector.Vector
        self._register: Any = pgvector.psycopg.register_vector
        self._name = psycopg.sql.Identifier(*place.table.split(".", 1))
        self._kinds = (psycopg.Error, OSError, UnicodeError)
        with self._errors():
            self._connection: Any = psycopg.connect(place.address, autocommit=True)

    def manifest(self) -> Manifest | None:
        """Return the manifest in the comment of the table, or None."""
        if not self.occupied():
            return None
        found = self._run("SELECT obj_description(to_regclass(%s), 'pg_class')", self._quoted())
        text = found.fetchone()[0] or ""
        return Manifest.from_json(text, str(self._place)) if text.startswith("{") else None

    def occupied(self) -> bool:
        """Return whether the table exists."""
        found = self._run("SELECT to_regclass(%s) IS NOT NULL", self._quoted())
        return bool(found.fetchone()[0])

    def _clear(self) -> None:
        """Delete the table."""
        self._run(self._sql.SQL("DROP TABLE IF EXISTS {}").format(self._name))

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Create the extension and the table where they do not exist; returns how many rows."""
        if anew:
            self._clear()
        types = {**_TYPES, "vector": f"vector({manifest.fingerprint.dim})"}
        columns = ", ".join(
            f'"{name}" {kind}' + ("" if name in _NULLABLE else " NOT NULL")
            for name, kind in types.items()
        )
        with self._errors(), self._connection.transaction():
            self._run("CREATE EXTENSION IF NOT EXISTS vector")
            create = f"CREATE TABLE IF NOT EXISTS {{}} ({columns}, PRIMARY KEY (key))"
            self._run(self._sql.SQL(create).format(self._name))
            self.finish(manifest)
        with self._errors():
            self._register(self._connection)
        return self.count()

    def holds(self, key: int) -> bool:
        """Return whether a row has this key."""
        query = self._sql.SQL("SELECT 1 FROM {} WHERE key = %s").format(self._name)
        return self._run(query, key).fetchone() is not None

    def write(self, batch: Batch) -> None:
        """Copy rows into the table, all or none."""
        names = self._sql.SQL(", ").join(map(self._sql.Identifier, _TYPES))
        copy = self._sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(self._name, names)
        with (
            self._errors(),
            self._connection.transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(copy) as rows,
        ):
            rows.set_types([*(_TYPES[name].replace("bigint", "int8") for name in _TYPES)])
            for row, vector in zip(batch.rows(), batch.vectors, strict=True):
                row["fields"] = self._jsonb(row["fields"])
                row["vector"] = self._vector(vector)
                rows.write_row([row[name] for name in _TYPES])

    def written(self) -> Iterator[Batch]:
        """Yield the rows of the table, read back."""
        return self.read(1 << 10)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest into the comment of the table."""
        comment = self._sql.SQL("COMMENT ON TABLE {} IS {}")
        self._run(comment.format(self._name, self._sql.Literal(manifest.to_json())))

    def count(self) -> int:
        """Return how many rows the table has."""
        self._require()
        return int(self._run(self._select("count(*)")).fetchone()[0])

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the rows, by ascending key where vecsim wrote them."""
        self._require()
        ours = self.manifest() is not None
        columns = None if ours else self._place.columns
        vector = "vector" if ours else self._place.columns.vector
        order = self._sql.SQL(" ORDER BY key" if ours else "")
        with self._errors():
            self._register(self._connection)
            with (
                self._connection.transaction(),
                self._connection.cursor("rows", binary=True) as cursor,
            ):
                cursor.itersize = size
                cursor.execute(self._select("*") + order)
                names = [column.name for column in cursor.description]
                if vector not in names:
                    raise InputError(f"{self._place}: has no column {vector!r} for the vectors.")
                while found := cursor.fetchmany(size):
                    rows = [dict(zip(names, values, strict=True)) for values in found]
                    vectors = self._vectors([row.pop(vector) for row in rows])
                    yield batch_of_rows(rows, vectors, str(self._place), columns)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _vectors(self, found: list[Any]) -> Float32:
        try:
            # Arrays with pgvector 0.4, its own class later; lists where the column is an array.
            vectors = [each.to_numpy() if hasattr(each, "to_numpy") else each for each in found]
            return np.array(vectors, np.float32)
        except (AttributeError, ValueError, TypeError) as error:
            raise InputError(f"{self._place}: the column of vectors holds others too.") from error

    def _require(self) -> None:
        if not self.occupied():
            raise InputError(f"{self._place}: has no table {self._place.table!r}.")

    def _select(self, what: str) -> Any:
        return self._sql.SQL(f"SELECT {what} FROM {{}}").format(self._name)

    def _quoted(self) -> str:
        return str(self._name.as_string(self._connection))

    def _run(self, query: Any, *values: object) -> Any:
        with self._errors():
            return self._connection.execute(query, values or None)

    def _errors(self) -> Any:
        return store_errors(self._place, *self._kinds)
